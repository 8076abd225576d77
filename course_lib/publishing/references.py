"""Papers and issues named on a finished page become links: arXiv:1904.09751, karpathy/llama2.c#286."""

from __future__ import annotations

import re

# whose repository a bare name is
OWNERS = {
    "DeepSeek-R1": "deepseek-ai",
    "FuxiCTR": "reczoo",
    "LMCache": "LMCache",
    "annotated-transformer": "harvardnlp",
    "litgpt": "Lightning-AI",
    "llama2.c": "karpathy",
    "marian-dev": "marian-nmt",
    "tensor2tensor": "tensorflow",
    "tokenizers": "huggingface",
    "transformers": "huggingface",
}
CLOSED = ("a", "code", "pre", "title", "svg", "button", "textarea")  # what stands in these stays
_TAG = re.compile(r"(<!--.*?-->|<script\b.*?</script>|<style\b.*?</style>|<[^>]+>)", re.DOTALL | re.IGNORECASE)
_OPENS = re.compile(rf"<(/?)({'|'.join(CLOSED)})\b[^>]*?(/?)>", re.IGNORECASE)
_PAPER = re.compile(r"arXiv[:：\s]\s?(\d{4}\.\d{4,5}(?:v\d+)?)(?!\d)")
_NUMBERS = r"#(\d+)(?!\d)"
_ISSUE = re.compile(rf"(?<![\w./-])(?:([\w-]+)/)?([A-Za-z][\w.-]*){_NUMBERS}((?:[、，,]\s?#\d+)*)")


def linked(page: str) -> str:
    """The HTML with each paper and issue as a link, outside code and what is a link already."""
    pieces, inside = _TAG.split(page), []
    for at, piece in enumerate(pieces):
        if at % 2 == 0:
            pieces[at] = piece if inside else _ISSUE.sub(_issues, _PAPER.sub(_paper, piece))
        elif tag := _OPENS.match(piece):
            end, name, alone = tag[1], tag[2].lower(), tag[3]
            if end and inside and inside[-1] == name:
                inside.pop()
            elif not end and not alone:
                inside.append(name)
    return "".join(pieces)


def _paper(found: re.Match) -> str:
    return f'<a href="https://arxiv.org/abs/{found[1]}">{found[0]}</a>'


def _issues(found: re.Match) -> str:
    """One issue, and those of the same repository that follow with their numbers alone."""
    owner = found[1] or OWNERS.get(found[2])
    if owner is None:
        return found[0]
    address = f"https://github.com/{owner}/{found[2]}/issues/"
    first = found[0].removesuffix(found[4])
    rest = re.sub(_NUMBERS, lambda number: f'<a href="{address}{number[1]}">{number[0]}</a>', found[4])
    return f'<a href="{address}{found[3]}">{first}</a>{rest}'
