"""GPT-2's tokenizer as it was released (Radford et al. 2019): a vocabulary and its merges, read from files.

vocab.json   token -> id, each byte of a token written as one visible sign (a space as Ġ)
merges.txt   the pairs glued, one a line, in the order learnt
The released pair has 256 bytes + 50,000 merges + <|endoftext|> = 50,257 tokens.
Read first: bpe.py, which does the gluing.  Chapter 08.  Differs from bpe.py: the ids are the file's, and some
tokens are not text but signs to the model, such as <|endoftext|>.

What is a letter or a number is decided by Python's own Unicode tables (`unicodedata.unidata_version`): a character that
is too young for them may be cut elsewhere than by a newer tokenizer; its bytes come back all the same.
"""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from course_lib.foundations import tokenizer_json
from course_lib.foundations.bpe import BYTES, ByteBPE
from course_lib.foundations.checks import check_text, json_object, token_ids

END_OF_TEXT = "<|endoftext|>"
N_VISIBLE = 188  # bytes that are written as themselves; the others become the signs from U+0100 on
SIGNS = [chr(byte[0]) if i < N_VISIBLE else chr(256 + i - N_VISIBLE) for i, byte in enumerate(BYTES)]
_SIGN_OF = {byte[0]: sign for byte, sign in zip(BYTES, SIGNS)}
_BYTE_OF = {sign: byte for byte, sign in zip(BYTES, SIGNS)}


def to_signs(token: bytes) -> str:
    """The token as the files write it, one visible sign a byte: b" dog" -> "Ġdog"."""
    return "".join(_SIGN_OF[byte] for byte in token)


def from_signs(signs: str) -> bytes:
    """The bytes that the signs stand for. Raises ValueError for a character that is none of the 256 signs."""
    strange = sorted(set(signs) - _BYTE_OF.keys())
    if strange:
        raise ValueError(f"{signs!r} holds {''.join(strange[:5])!r}, none of the 256 signs that stand for bytes")
    return b"".join(_BYTE_OF[sign] for sign in signs)


class GPT2Tokenizer:
    """merges: the pairs glued, in order.  ids: token bytes -> id.  specials: text -> id, never cut and never glued.

    Without `ids` the tokens are numbered as in the released file: bytes, merges, then <|endoftext|>.
    Raises ValueError if the ids are not 0 … n-1, or do not name exactly the bytes, the merges and the specials.
    """

    def __init__(
        self,
        merges: Iterable[tuple[bytes, bytes]],
        ids: Mapping[bytes, int] | None = None,
        specials: Mapping[str, int] | None = None,
    ):
        self.merges = list(merges)
        check_merges(self.merges)
        self.bpe = ByteBPE(self.merges)
        if ids is None:
            ids = {token: i for i, token in enumerate(self.bpe.vocab)}
            specials = {END_OF_TEXT: len(ids)} if specials is None else specials
        self.specials = dict(specials or {})
        check_ids_cover(ids, self.bpe.vocab, self.specials)
        self._released = [ids[token] for token in self.bpe.vocab]
        self._token = {i: token for token, i in ids.items()}
        self._token |= {i: text.encode() for text, i in self.specials.items()}
        longest_first = sorted(self.specials, key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")

    @classmethod
    def load(cls, folder: str | Path, specials: Iterable[str] | None = None) -> "GPT2Tokenizer":
        """Read vocab.json and merges.txt; where there is no vocab.json, tokenizer.json, which holds both.

        specials: the tokens that are not made of bytes; without it <|endoftext|>, or those that tokenizer.json names.
        Raises FileNotFoundError for a missing file, ValueError naming the file and the place for a malformed one.
        """
        where = Path(folder, "vocab.json")
        if not where.is_file() and Path(folder, "tokenizer.json").is_file():
            where = Path(folder, "tokenizer.json")
            vocab, merges, added = read_tokenizer_json(where)
        else:
            vocab, merges, added = read_vocab(where), read_merges(Path(folder, "merges.txt")), [END_OF_TEXT]
        check_merges(merges)
        specials = added if specials is None else list(specials)
        missing = [text for text in specials if text not in vocab]
        if missing:
            raise ValueError(f"{where.name} has no {missing[0]!r}; name the specials it has, or specials=() for none")
        made = {to_signs(left + right) for left, right in merges} | set(SIGNS)
        strange = [token for token in vocab if token not in made and token not in specials]
        if strange:
            raise ValueError(
                f"{where.name} has {len(strange)} tokens that are neither a byte nor made by a merge: "
                f"{strange[:3]}; vocabulary and merges are no pair, or these are specials: "
                f"load(…, specials={(*specials, strange[0])})"
            )
        ids = {from_signs(token): i for token, i in vocab.items() if token in made and token not in specials}
        return cls(merges, ids, {text: vocab[text] for text in specials})

    def save(self, folder: str | Path) -> None:
        """Write vocab.json and merges.txt as GPT-2 was released."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        vocab = {to_signs(token): i for token, i in zip(self.bpe.vocab, self._released)} | self.specials
        vocab = dict(sorted(vocab.items(), key=lambda item: item[1]))
        Path(folder, "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8", newline="\n")
        lines = ["#version: 0.2", *(f"{to_signs(left)} {to_signs(right)}" for left, right in self.merges)]
        Path(folder, "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")

    @property
    def n_vocab(self) -> int:
        return len(self._token)

    @property
    def end_of_text(self) -> int:
        """The id of <|endoftext|>. Raises KeyError if the vocabulary has none."""
        return self.specials[END_OF_TEXT]

    def encode(self, text: str, *, specials: bool = True) -> list[int]:
        """The ids of text. With specials=False "<|endoftext|>" is 13 characters like any others: use it for text that
        strangers wrote. Raises ValueError for a lone surrogate, which has no bytes.
        """
        if not specials:
            return [self._released[i] for i in self.bpe.encode(text)]
        check_text("text", text)
        ids, start = [], 0
        for found in self._special.finditer(text):
            ids += self.encode(text[start : found.start()], specials=False)
            ids.append(self.specials[found.group()])
            start = found.end()
        return ids + self.encode(text[start:], specials=False)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids, specials included. Bytes that are not UTF-8, as in half a character, become U+FFFD (�)."""
        return b"".join(self.tokens(ids)).decode("utf-8", errors="replace")

    def tokens(self, ids: Iterable[int]) -> list[bytes]:
        """The bytes of each id. Raises ValueError for an id outside the vocabulary."""
        return [self._token[i] for i in token_ids(ids, self.n_vocab)]


def read_json(path: Path) -> dict[str, Any]:
    """One JSON object. Raises ValueError for anything else, and if an object in it has a key twice."""

    def no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            seen: set[str] = set()
            twice = next(key for key, _ in pairs if key in seen or seen.add(key))
            raise ValueError(f"{path} has the token {twice!r} twice")
        return found

    return json_object(read_utf8(path), str(path), object_pairs_hook=no_key_twice)


def read_vocab(path: Path) -> dict[str, int]:
    """token -> id, as written. Raises ValueError unless it is one JSON object of whole numbers, no token twice."""
    return check_vocab(path, read_json(path))


def check_vocab(path: Path, vocab: dict[str, Any]) -> dict[str, int]:
    """The vocabulary. Raises ValueError unless each id is a whole number."""
    for token, i in vocab.items():
        if type(i) is not int:
            raise ValueError(f"{path} gives the token {token!r} the id {i!r}; ids are whole numbers")
    return vocab


def read_tokenizer_json(path: Path) -> tuple[dict[str, int], list[tuple[bytes, bytes]], list[str]]:
    """token -> id, as written, the pairs in order, and the specials. Raises ValueError for any other tokenizer."""
    content = read_json(path)
    try:
        vocab, merges, specials = tokenizer_json.parts(content)
        pairs = [(from_signs(left), from_signs(right)) for left, right in merges]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return check_vocab(path, vocab), pairs, specials


def read_merges(path: Path) -> list[tuple[bytes, bytes]]:
    """The pairs in order. Raises ValueError naming the first line that is not two tokens with one space between."""
    lines = read_utf8(path).split("\n")
    merges = []
    for number, line in enumerate(lines, 1):
        line = line.removesuffix("\r")
        if (number == 1 and line.startswith("#version")) or (number == len(lines) and not line):
            continue
        parts = line.split(" ")
        if len(parts) != 2 or "" in parts:
            raise ValueError(f"{path}, line {number}: {line!r} is not two tokens with one space between")
        try:
            merges.append((from_signs(parts[0]), from_signs(parts[1])))
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from None
    return merges


def read_utf8(path: Path) -> str:
    """The text of a file. Raises FileNotFoundError, or ValueError if it is not UTF-8."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; give vocab.json and merges.txt, or tokenizer.json alone")
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 (byte {error.start}); is it the right file, and whole?") from None


def check_merges(merges: list[tuple[bytes, bytes]]) -> None:
    """Raise ValueError unless each pair is made of tokens that are there by then, and comes once."""
    known, seen = set(BYTES), set()
    for rank, (left, right) in enumerate(merges, 1):
        for part in (left, right):
            if part not in known:
                raise ValueError(
                    f"merge {rank}, {to_signs(left)!r} + {to_signs(right)!r}, glues {to_signs(part)!r}, "
                    "which no earlier merge makes; are the merges in order, and all there?"
                )
        if (left, right) in seen:
            raise ValueError(f"merge {rank}, {to_signs(left)!r} + {to_signs(right)!r}, comes a second time")
        seen.add((left, right))
        known.add(left + right)


def check_ids_cover(ids: Mapping[bytes, int], tokens: list[bytes], specials: Mapping[str, int]) -> None:
    """Raise ValueError unless ids and specials together number exactly the tokens and the specials, 0 … n-1."""
    missing = [to_signs(token) for token in tokens if token not in ids]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(tokens)} tokens that bytes and merges make have no id: {missing[:3]}; "
            "vocabulary and merges are no pair"
        )
    if len(ids) > len(tokens):
        extra = [to_signs(token) for token in set(ids) - set(tokens)]
        raise ValueError(f"{len(extra)} tokens are neither a byte nor made by a merge: {sorted(extra)[:3]}")
    numbers = sorted([*ids.values(), *specials.values()])
    if numbers != list(range(len(numbers))):
        wrong = next(i for i, number in enumerate(numbers) if i != number)
        raise ValueError(
            f"the ids must be 0 to {len(numbers) - 1}, each once; id {wrong} is "
            + ("missing" if numbers[wrong] > wrong else f"not free for a second token (id {numbers[wrong]} is twice)")
        )
