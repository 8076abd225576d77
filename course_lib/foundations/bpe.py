"""Byte-level byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909), on bytes as in GPT-2 (Radford et al. 2019).

Text is cut into words (`pattern`), words into UTF-8 bytes; then the most frequent neighbours are glued, again and
again. No text is unknown: every byte is a token. A token may be a part of a character, so decode whole lists of ids.
Read first: tokenizer.py.  Chapter 01.  Differs from tokenizer.py: the vocabulary is learnt, and has a size of choice.

Same merges and ids as the `tokenizers` library: bytes are numbered in GPT-2's order, and of two equally frequent pairs
the one with the smaller ids goes first.
"""

import heapq
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise
from unicodedata import category

from course_lib.foundations.checks import check_count, check_text, token_ids


def unicode_range(major: str, categories: str) -> str:
    """All characters whose category starts with `major` (L letter, N number), as the inside of a regex [class]."""
    return "".join(f"\\U{m.start():08x}-\\U{m.end() - 1:08x}" for m in re.finditer(f"{major}+", categories))


_CATEGORIES = "".join(category(chr(code))[0] for code in range(sys.maxunicode + 1))
_LETTER, _NUMBER = unicode_range("L", _CATEGORIES), unicode_range("N", _CATEGORIES)
_SPACE = r"\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"

# GPT-2's cut: English endings, letters, numbers, the rest; a space goes with the word behind it.
GPT2_PATTERN = (
    rf"'(?:[sdmt]|ll|ve|re)| ?[{_LETTER}]+| ?[{_NUMBER}]+| ?[^{_SPACE}{_LETTER}{_NUMBER}]+"
    rf"|[{_SPACE}]+(?![^{_SPACE}])|[{_SPACE}]+"
)

# GPT-2's order of the 256 bytes: those with a visible Latin-1 sign first, then the others.
_VISIBLE = [*range(33, 127), *range(161, 173), *range(174, 256)]
BYTES = [bytes([b]) for b in _VISIBLE + [b for b in range(256) if b not in _VISIBLE]]


class ByteBPE:
    """merges: the pairs glued, in the order learnt.  vocab: the bytes of each id; the first 256 are single bytes.

    A character that the pattern passes over is a word of its own. Raises ValueError if a merge glues what is no token.
    """

    def __init__(self, merges: Iterable[tuple[bytes, bytes]] = (), pattern: str = GPT2_PATTERN):
        self.merges = list(merges)
        self.vocab = list(dict.fromkeys([*BYTES, *(left + right for left, right in self.merges)]))
        self.pattern = re.compile(f"{pattern}|(?s:.)")
        self._id = {token: i for i, token in enumerate(self.vocab)}
        for part in (part for pair in self.merges for part in pair):
            if part not in self._id:
                raise ValueError(f"a merge glues {part!r}, which is no byte and no merge makes; are all merges there?")
        self._rank = {(self._id[left], self._id[right]): rank for rank, (left, right) in enumerate(self.merges)}
        self._known_words: dict[str, list[int]] = {}

    @classmethod
    def train(cls, text: str, n_vocab: int, pattern: str = GPT2_PATTERN) -> "ByteBPE":
        """Glue the most frequent pair of neighbours until there are n_vocab tokens, or no pair is left to glue.

        Raises ValueError if n_vocab < 256, or if text cannot be written in UTF-8 (lone surrogates).
        """
        check_count("n_vocab", n_vocab, 256)
        tokenizer = cls(pattern=pattern)
        words = Counter(tokenizer.words(text))
        chain = Chain([tokenizer.bytes_of(word) for word in words], list(words.values()))
        queue = [(-count, pair) for pair, count in chain.counts.items()]
        heapq.heapify(queue)
        merges: list[tuple[bytes, bytes]] = []
        vocab, ids = list(tokenizer.vocab), dict(tokenizer._id)
        while queue and len(vocab) < n_vocab:
            count, pair = heapq.heappop(queue)
            current = chain.counts[pair]
            if current != -count:
                if current > 0:
                    heapq.heappush(queue, (-current, pair))
                continue
            merges.append((vocab[pair[0]], vocab[pair[1]]))
            token = vocab[pair[0]] + vocab[pair[1]]
            if token not in ids:
                ids[token] = len(vocab)
                vocab.append(token)
            for new_pair in chain.glue(pair, ids[token]):
                heapq.heappush(queue, (-chain.counts[new_pair], new_pair))
        return cls(merges, pattern)

    @property
    def n_vocab(self) -> int:
        return len(self.vocab)

    def words(self, text: str) -> list[str]:
        """The pieces that are encoded one by one; no token reaches over their borders."""
        check_text("text", text)
        return [match.group() for match in self.pattern.finditer(text)]

    def encode(self, text: str) -> list[int]:
        """The ids of text. Raises ValueError for a lone surrogate, the one thing in a str that has no bytes."""
        ids = []
        for word in self.words(text):
            if word not in self._known_words:
                self._known_words[word] = self._encode_word(word)
            ids += self._known_words[word]
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids. Bytes that are not UTF-8, as in half a character, become U+FFFD (�)."""
        return self.decode_bytes(ids).decode("utf-8", errors="replace")

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of ids, unharmed. Raises ValueError for an id outside the vocabulary."""
        return b"".join(self.vocab[i] for i in token_ids(ids, self.n_vocab))

    def bytes_of(self, word: str) -> list[int]:
        """The word as ids of single bytes."""
        try:
            return [self._id[bytes([b])] for b in word.encode("utf-8")]
        except UnicodeEncodeError as error:
            raise ValueError(
                f"{word[error.start]!r} at place {error.start} of {word!r} is half of a surrogate pair and has no "
                "UTF-8 bytes; read the text with the right encoding, or drop it with text.encode('utf-8', 'ignore')"
            ) from None

    def _encode_word(self, word: str) -> list[int]:
        """Glue the earliest learnt pair in the word, leftmost first, until none is left."""
        chain = Chain([self.bytes_of(word)], [1])
        queue = [(self._rank[pair], pair) for pair in chain.counts if pair in self._rank]
        heapq.heapify(queue)
        while queue:
            _, pair = heapq.heappop(queue)
            left, right = pair
            for new_pair in chain.glue(pair, self._id[self.vocab[left] + self.vocab[right]]):
                if new_pair in self._rank:
                    heapq.heappush(queue, (self._rank[new_pair], new_pair))
        return [token for token in chain.tokens if token is not None]


class Chain:
    """Words as linked tokens that know where each pair of neighbours is, so that gluing touches only those places.

    counts[pair]: how often the pair occurs, a word counted as often as it was seen.
    """

    def __init__(self, words: list[list[int]], seen: list[int]):
        self.tokens: list[int | None] = []
        self.weight: list[int] = []
        self.before: list[int | None] = []
        self.after: list[int | None] = []
        self.counts: Counter[tuple[int, int]] = Counter()
        self.places: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
        for word, weight in zip(words, seen):
            start, end = len(self.tokens), len(self.tokens) + len(word)
            self.tokens += word
            self.weight += [weight] * len(word)
            self.before += [None, *range(start, end - 1)] if word else []
            self.after += [*range(start + 1, end), None] if word else []
            for place, pair in enumerate(pairwise(word), start):
                self.counts[pair] += weight
                self.places[pair].add(place)

    def glue(self, pair: tuple[int, int], new: int) -> set[tuple[int, int]]:
        """Replace the pair by `new` everywhere, from the left; return the pairs that this made."""
        arose = set()
        for here in sorted(self.places.pop(pair, ())):
            gone = self.after[here]
            if self.tokens[here] != pair[0] or gone is None or self.tokens[gone] != pair[1]:
                continue  # in "aaa" the first gluing took the middle one
            left, right = self.before[here], self.after[gone]
            self._count(here, gone, -1)
            if left is not None:
                self._count(left, here, -1)
            if right is not None:
                self._count(gone, right, -1)
                self.before[right] = here
            self.tokens[here], self.tokens[gone], self.after[here] = new, None, right
            if left is not None:
                arose.add(self._count(left, here, +1))
            if right is not None:
                arose.add(self._count(here, right, +1))
        return {pair for pair in arose if self.counts[pair] > 0}

    def _count(self, first: int, second: int, sign: int) -> tuple[int, int]:
        """Note that the pair at these two places has come (+1) or gone (-1)."""
        pair = self.tokens[first], self.tokens[second]
        self.counts[pair] += sign * self.weight[first]
        (self.places[pair].add if sign > 0 else self.places[pair].discard)(first)
        return pair
