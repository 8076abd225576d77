"""tokenizer.json: the one file that newer libraries write in place of vocab.json and merges.txt.

Its format holds many kinds of tokenizer; read is GPT-2's kind alone, byte-level BPE with GPT-2's cut and nothing before
or after it. What asks for more is refused, since its ids would be others.
Read first: gpt2_bpe.py.  Chapter 08.
"""

from typing import Any

CUT = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
MODEL = {"type": ("BPE",)} | dict.fromkeys(("continuing_subword_prefix", "end_of_word_suffix"), (None, ""))
MODEL |= {"dropout": (None, 0), "byte_fallback": (None, False), "ignore_merges": (None, False)}
PLAIN = ("single_word", "lstrip", "rstrip")  # of an added token: it is found as it is written, wherever it stands


def parts(content: Any) -> tuple[dict[str, Any], list[tuple[str, str]], list[str]]:
    """token -> id, the pairs glued, in order, and the tokens that are no text, all written as in the file.

    Raises ValueError for what GPT-2's tokenizer does not do, and where a part is missing or of another form.
    """
    try:
        model, added = content["model"], content["added_tokens"]
        for key, allowed in MODEL.items():
            _check(f"model.{key}", model.get(key), allowed)
        _check("normalizer", content.get("normalizer"), (None,))
        cut = content["pre_tokenizer"]
        _check("pre_tokenizer", {key: cut.get(key, True) for key in CUT} if isinstance(cut, dict) else cut, (CUT,))
        _check("post_processor.special_tokens", (content.get("post_processor") or {}).get("special_tokens"), (None, {}))
        specials = {token["content"]: token["id"] for token in added}
        for token in added:
            for key in PLAIN:
                _check(f"{key} of {token['content']!r}", token.get(key), (None, False))
        merges = [tuple(pair.split(" ") if isinstance(pair, str) else pair) for pair in model["merges"]]
        vocab = dict(model["vocab"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"this is no whole tokenizer.json ({type(error).__name__}: {error})") from None
    for rank, pair in enumerate(merges, 1):
        if len(pair) != 2 or not all(isinstance(part, str) and part for part in pair):
            raise ValueError(f"merge {rank}, {pair}, is not two tokens")
    for text, i in specials.items():
        if vocab.setdefault(text, i) != i:
            raise ValueError(f"the token {text!r} is {vocab[text]} in the vocabulary, and {i} among those added")
    return vocab, merges, list(specials)


def _check(name: str, found: Any, allowed: tuple) -> None:
    if found not in allowed:
        raise ValueError(f"{name} is {found!r}, and GPT-2's tokenizer has {allowed[0]!r}; its ids would be others")
