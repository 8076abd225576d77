"""Sphinx search in Chinese: runs of Chinese characters are split into bigrams, alike in the index and in the browser.

Any phrase of one or more characters that occurs in a text is found; no dictionary is needed. Latin words stay whole,
so that RoPE and KV work too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from sphinx.search import SearchLanguage

HAN = "\u3400-\u4dbf\u4e00-\u9fff"
RUN = re.compile(rf"[{HAN}]+|[A-Za-z0-9_]+")


class ChineseBigrams(SearchLanguage):
    """Search language "zh" by character bigrams."""

    lang = "zh"
    language_name = "Chinese"
    stopwords: ClassVar[set[str]] = set()
    js_stemmer_code = "class Stemmer { stemWord(word) { return word; } }"
    js_splitter_code = rf"""
function splitQuery(query) {{
  const terms = [];
  for (const run of query.match(/[{HAN}]+|[A-Za-z0-9_]+/g) || []) {{
    if (run.length < 3 || !/[{HAN}]/.test(run)) terms.push(run);
    else for (let i = 0; i + 1 < run.length; i++) terms.push(run.slice(i, i + 2));
  }}
  return terms;
}}"""

    def split(self, text: str) -> Iterator[str]:
        """Terms of a text: Latin words, and both the characters and the bigrams of each Chinese run."""
        for run in RUN.findall(text):
            if run[0] < "\u3400":
                yield run
            else:
                yield from run
                yield from (run[i : i + 2] for i in range(len(run) - 1))

    def stem(self, word: str) -> str:
        """Lower case: the browser does the same to a query."""
        return word.lower()

    def word_filter(self, word: str) -> bool:
        """Keep every term, one-character ones too."""
        return bool(word)


def setup(app) -> dict:
    """Register the language under the code "zh", which `language = "zh_CN"` resolves to."""
    app.add_search_language(ChineseBigrams)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "version": "1"}
