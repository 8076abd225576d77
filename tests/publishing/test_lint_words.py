"""Terms are explained where they first appear; symbols are those of the chapter's table."""

import pytest
from pair import code, markdown, notebook

from course_lib.course import outline
from course_lib.publishing import glossary, lint_words

PREREQUISITE = "**先修**：[07 GPT-1](07_gpt1.ipynb)"


def chapter(*cells):
    """Chapter 08, which supposes 07 and so 06, 04, 02 and 01, but not 05."""
    return notebook(markdown("# 题\n\n学会核采样"), markdown(PREREQUISITE), code('start("08")'), *cells)


def unexplained(*texts):
    return [(at, text.split("'")[1]) for at, text in lint_words.first_use(chapter(*map(markdown, texts)))]


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["核采样只抽一部分。", "**核采样**（top-p）"], [(4, "核采样")]),
        (["KV 缓存存着旧的键。"], [(4, "KV 缓存")]),
        (["签名相同。下一句说 [第 09 章](09_gpt3.ipynb)。"], [(4, "签名")]),
        (["见[第 10 章](10_vit.ipynb)的签名。"], [(4, "签名")]),
        (["这是 YaRN 的做法。"], [(4, "YaRN")]),
        ([":::{admonition} 误区\n:class: pitfall\n零样本不是什么都会。\n:::"], [(4, "零样本")]),
    ],
)
def test_a_term_used_before_it_is_explained_is_refused(texts, found):
    assert unexplained(*texts) == found


@pytest.mark.parametrize(
    "text",
    [
        "**核采样**（nucleus sampling）只抽一部分。核采样很常用。",
        "用 **KV 缓存**存着旧的键。",
        "[KV 缓存](../1_foundations/05_kv_cache.ipynb)存着旧的键。",
        "签名（[第 09 章](09_gpt3.ipynb)）相同。",
        "预训练、微调、因果掩码、词元、消融都讲过。",
        "## 核采样\n\n**核采样**只抽一部分。",
        "`KV 缓存` 是代码，$\\text{核采样}$ 是式子。",
        ":::{admonition} 选读\n:class: dropdown\nKV 缓存\n:::",
        "PIP、YaRNs、合起来",
    ],
)
def test_what_is_explained_linked_or_read_before_passes(text):
    assert unexplained(text) == []


def test_the_longest_term_counts_and_what_follows_the_exercises_does_not():
    assert unexplained("**分组查询注意力**与多查询注意力", "## 练习\n\n核采样") == [(4, "多查询注意力")]


def test_without_a_link_in_the_prerequisites_a_chapter_is_not_read_before():
    cells = (markdown("**先修**：第 07 章"), code('start("08")'), markdown("微调"))
    assert [at for at, _ in lint_words.first_use(notebook(*cells))] == [3]


def test_every_term_of_the_glossary_has_a_home_among_the_chapters():
    found = glossary.terms()
    assert len(found) > 80 and {term.home for term in found} <= {*outline.chapters()}
    assert ("RoPE", "03") in {(term.names[-1], term.home) for term in found}


@pytest.mark.parametrize(
    ("row", "complaint"),
    [("| 词 | word | 意思 | 一 |", "chapter in two digits"), ("| 甲 | a | b | 01 |\n| 甲 | c | d | 02 |", "甲 twice")],
)
def test_a_glossary_that_machines_cannot_read_is_refused(tmp_path, row, complaint):
    (tmp_path / "glossary.md").write_text(f"| 中文 | English | 意思 | 章 |\n|---|---|---|---|\n{row}\n", "utf-8")
    with pytest.raises(ValueError, match=complaint):
        glossary.terms(tmp_path / "glossary.md")


TABLE = """:::{admonition} 符号
:class: dropdown
| 符号 | 意思 | 形状 |
|---|---|---|
%s
:::"""


def wrong(rows, *cells):
    table = TABLE % "\n".join(f"| {row} | 意思 | 形状 |" for row in rows)
    return [text for _, text in lint_words.symbols(chapter(markdown(table), *cells))]


@pytest.mark.parametrize(
    ("rows", "text", "complaint"),
    [
        (["x"], "$x + y$", "symbol y is not"),
        (["x", "L"], "$$L = x_i$$", "symbol i is not"),
        (["d"], r"$d_\text{model}$", "symbol d_model is not"),
        (["d"], r"$\theta d$", "symbol θ is not"),
        (["x", "x"], "$x$", "has x twice"),
        (["x、y", "`x`"], "$x y$", "has x twice"),
        (["x", "y"], "$x$", "has y, which the main line never uses"),
        (["x"], "## 练习\n\n$x$", "has x, which the main line never uses"),
    ],
)
def test_a_symbol_that_is_unknown_twice_or_unused_is_refused(rows, text, complaint):
    found = wrong(rows, markdown(text))
    assert any(complaint in each for each in found)


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (["$Q$、$K$", "$d_k$"], r"$$\text{softmax}\left(\frac{QK^T}{\sqrt{d_k}}\right)$$"),
        (["x", "i"], r"$\log x_i \in \mathbb{R}$"),
        ([r"$d_{\text{model}}$"], r"$d_\text{model}$ 和 $d_{\text{model}}$"),
        (["θ"], r"$e^{\theta} + \pi$"),
        (["B", "T"], "形状 `[B, T]`"),
    ],
)
def test_the_symbols_of_the_table_pass(rows, text):
    assert wrong(rows, markdown(text)) == []


def test_a_chapter_without_the_table_is_told_where_it_goes():
    assert "no table of symbols" in next(lint_words.symbols(chapter(markdown("$x$"))))[1]
