"""Papers and issues that a page names are links, and nothing else is."""

import re

import pytest

from course_lib import chapter_files
from course_lib.course.outline import ROOT
from course_lib.publishing.references import OWNERS, linked

GITHUB = "https://github.com/"


@pytest.mark.parametrize(
    ("text", "address", "word"),
    [
        ("（arXiv:1904.09751），", "https://arxiv.org/abs/1904.09751", "arXiv:1904.09751"),
        ("arXiv:2104.09864v5 §3", "https://arxiv.org/abs/2104.09864v5", "arXiv:2104.09864v5"),
        ("见 karpathy/llama2.c#286。", f"{GITHUB}karpathy/llama2.c/issues/286", "karpathy/llama2.c#286"),
        ("llama2.c#286", f"{GITHUB}karpathy/llama2.c/issues/286", "llama2.c#286"),
        ("（transformers#562）", f"{GITHUB}huggingface/transformers/issues/562", "transformers#562"),
    ],
)
def test_what_is_named_is_linked(text, address, word):
    expected = text.replace(word, f'<a href="{address}">{word}</a>')
    assert linked(f"<p>{text}</p>") == f"<p>{expected}</p>"


def test_a_number_alone_belongs_to_the_repository_before_it():
    shown = linked("<p>transformers#25199、#31859，litgpt#1860</p>")
    issues = re.findall(r'href="https://github.com/([^"]+)">([^<]+)<', shown)
    assert issues == [
        ("huggingface/transformers/issues/25199", "transformers#25199"),
        ("huggingface/transformers/issues/31859", "#31859"),
        ("Lightning-AI/litgpt/issues/1860", "litgpt#1860"),
    ]


@pytest.mark.parametrize(
    "page",
    [
        '<a href="x">arXiv:1904.09751</a>',
        '<a href="x"><b>karpathy</b> llama2.c#286</a>',
        "<code>arXiv:1904.09751</code>",
        "<pre><span># arXiv:1904.09751</span> transformers#562</pre>",
        "<script>if (a<b) x = 'arXiv:1904.09751'</script>",
        '<img alt="arXiv:1904.09751">',
        "<!-- arXiv:1904.09751 -->",
        "<p>练习#3、unknown#12、RoPE 2104.09864、arXiv:1.2</p>",
    ],
)
def test_code_links_and_other_numbers_stay(page):
    assert linked(page) == page


def test_what_follows_code_is_linked_again():
    for before in ("<code>x</code>", "<br/>", "<script>a<b</script>", '<a id="x"></a>'):
        assert "arxiv.org" in linked(f"{before}arXiv:1904.09751")


def test_every_issue_of_the_course_has_its_owner():
    texts = [*(ROOT / "notebooks").glob("*/*.py"), *chapter_files.CHAPTERS.glob("ch*/*.py")]
    names = re.findall(r"(?<![\w./-])([A-Za-z][\w.-]*)#\d", "".join(file.read_text("utf-8") for file in texts))
    assert set(names) <= {*OWNERS}
