"""A conversation as one text, in ChatML (OpenAI 2023; Qwen, arXiv:2309.16609), and whose words they are.

    <|im_start|>user
    你好<|im_end|>
    <|im_start|>assistant
    你好，有什么事？<|im_end|>
The assistant writes its words and the <|im_end|> after them, by which it learns to stop. Its header is given to it,
and the line break after <|im_end|> belongs to nobody.
Every part is encoded by itself, so no token reaches across a border: a prompt is the beginning of the whole text, token
by token. What encodes the whole text at once may glue the header's line break to the words after it.
Read first: foundations/gpt2_bpe.py.  Chapter 19.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from course_lib.foundations.checks import check_known, check_text
from course_lib.foundations.gpt2_bpe import GPT2Tokenizer

START, END = "<|im_start|>", "<|im_end|>"
ROLES = ("system", "user", "assistant")
Message = dict[str, str]  # {"role": one of ROLES, "content": text}


class Rendered(NamedTuple):
    """is_answer: True where the assistant wrote the token."""

    ids: list[int]
    is_answer: list[bool]


def chatml(messages: Sequence[Message]) -> str:
    """The text that readers see. Raises as check_messages does."""
    check_messages(messages)
    return "".join(f"{START}{m['role']}\n{m['content']}{END}\n" for m in messages)


@dataclass(frozen=True)
class Chat:
    """encode: plain text -> ids, never those of the signs. start, end: the ids of <|im_start|> and <|im_end|>."""

    encode: Callable[[str], list[int]]
    start: int
    end: int

    @classmethod
    def of(cls, tokenizer: GPT2Tokenizer) -> "Chat":
        """With a tokenizer that has both signs among its specials; written in a message they are plain letters."""
        missing = [sign for sign in (START, END) if sign not in tokenizer.specials]
        if missing:
            raise ValueError(f"the tokenizer has no {' and no '.join(missing)}; it has {list(tokenizer.specials)}")
        return cls(partial(tokenizer.encode, specials=False), tokenizer.specials[START], tokenizer.specials[END])

    def render(self, messages: Sequence[Message]) -> Rendered:
        """The whole conversation, to learn from. Raises as check_messages does."""
        check_messages(messages)
        line_break, ids, is_answer = self.plain("\n"), [], []
        for message in messages:
            header, words = self.header(message["role"]), [*self.plain(message["content"]), self.end]
            ids += header + words + line_break
            mine = message["role"] == "assistant"
            is_answer += [False] * len(header) + [mine] * len(words) + [False] * len(line_break)
        return Rendered(ids, is_answer)

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """The conversation so far and the assistant's header: what the model goes on from, until it says `end`."""
        return self.render(messages).ids + self.header("assistant")

    def answered(self, messages: Sequence[Message], answer: str) -> Rendered:
        """The prompt and one answer to it, up to its end, as a model writes it: earlier answers are not marked. For
        what judges an answer by its prompt: preferences, rewards."""
        prompt, words = self.prompt(messages), [*self.plain(answer), self.end]
        return Rendered(prompt + words, [False] * len(prompt) + [True] * len(words))

    def header(self, role: str) -> list[int]:
        return [self.start, *self.plain(f"{role}\n")]

    def plain(self, text: str) -> list[int]:
        """Ids of a text. Raises ValueError if they hold a sign: its writer could speak in another's name."""
        ids = self.encode(text)
        if self.start in ids or self.end in ids:
            raise ValueError(
                f"{text!r:.80} holds the sign {self.start} or {self.end}; encode messages without specials"
            )
        return ids


def check_messages(messages: Sequence[Message]) -> None:
    """Raise unless there is a message, and each has a known role and a text."""
    if isinstance(messages, dict | str) or not messages:
        raise ValueError(f"messages is {messages!r:.80}; give a list of at least one message")
    for i, message in enumerate(messages):
        if not isinstance(message, dict) or set(message) != {"role", "content"}:
            raise ValueError(f"message {i} is {message!r:.80}; give {{'role': …, 'content': …}}")
        check_known(f"role of message {i}", message["role"], ROLES)
        check_text(f"content of message {i}", message["content"])
