"""Sums in a chat: questions that can be listed, answers that a rule checks, and demonstrators who err in a known way.

    user 27+15=?    assistant 42    user 再加31等于几？    assistant 73
Two numbers of two digits whose sum has two digits: 3,240 pairs. A pair and its mirror are learned both or neither. A
character is a token, and so is each role's name. How often a demonstrator is right, and whether it errs each time
elsewhere or always alike, is set: what imitation makes of it is chapter 19's, what rewards make of it chapter 23's.
Read first: posttraining/chat.py.  Chapters 19, 20, 23, 24.
"""

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import Int
from torch import Tensor

from course_lib.foundations.checks import check_count, check_known
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.posttraining.chat import END, ROLES, START, Chat, Message

Question = list[Message]  # its last message is the user's
SPLITS = ("train", "held-out", "three digits", "other wording", "new wording", "two turns")
ERRORS = ("random", "systematic", "carry")
CHARACTERS = "\n0123456789+=?再加等于几？，。你好请出题谢不客气答："
CONTEXT = 64
BEFORE_ANSWERS = (
    "",
    "\n",
    "答：",
    "等于",
    "好，\n",
    "你好，",
    "\n答：\n",
    "好，等于",
    "请等。\n答：",
    "好，好，\n等于",
)
N_HELD_OUT = 324  # pairs of a ≤ b, a fifth
PIECE = re.compile("|".join((*ROLES, ".|\n")))


@cache
def vocabulary() -> tuple[str, ...]:
    """Every token: the two signs, the names of the roles, the characters."""
    return (START, END, *ROLES, *CHARACTERS)


@cache
def chat() -> Chat:
    ids = {token: i for i, token in enumerate(vocabulary())}
    return Chat(lambda text: [ids[piece] for piece in PIECE.findall(text)], ids[START], ids[END])


def decode(ids: Iterable[int]) -> str:
    """As the model wrote it, signs and all."""
    return "".join(vocabulary()[i] for i in ids)


def build() -> GPT2:
    """0.16M parameters."""
    return GPT2(GPT2Config(n_vocab=len(vocabulary()), context=CONTEXT, d_model=64, n_layers=3, n_heads=4))


@cache
def pairs(held_out: bool) -> tuple[tuple[int, int], ...]:
    """a + b <= 99, both of two digits."""
    all_pairs = [(a, b) for a in range(10, 90) for b in range(a, 100 - a)]
    kept = set(random.Random(0).sample(all_pairs, N_HELD_OUT))
    return tuple(pair for a, b in all_pairs if ((a, b) in kept) == held_out for pair in dict.fromkeys([(a, b), (b, a)]))


def carries(a: int, b: int) -> bool:
    return a % 10 + b % 10 >= 10


def ask(text: str) -> Question:
    return [{"role": "user", "content": text}]


def questions(
    split: str = "train", n: int | None = None, seed: int = 0, *, plain: float | None = None
) -> list[Question]:
    """n drawn by lot, with repeats; None: each of the split's pairs once. plain: share of those that carry nothing.

    three digits, other and new wording, two turns: of pairs held out, asked otherwise. Raises ValueError for a
    split of another name.
    """
    check_known("split", split, SPLITS)
    chance, found = random.Random(f"{split} {seed}"), pairs(held_out=split != "train")
    if n is not None:
        check_count("n", n, 1)
        kinds = [[pair for pair in found if carries(*pair) == carry] for carry in (False, True)]
        drawn = (found if plain is None else kinds[chance.random() >= plain] for _ in range(n))
        found = [chance.choice(each) for each in drawn]
    return [worded(split, a, b, chance) for a, b in found]


def worded(split: str, a: int, b: int, chance: random.Random) -> Question:
    """The pair as the split asks it."""
    if split == "three digits":  # in front of each number a digit, and the sum still has three
        first = chance.randrange(1, 8)
        return ask(f"{first}{a}+{chance.randrange(1, 9 - first)}{b}=?")
    if split == "other wording":
        return ask(f"{a}加{b}等于几？")
    if split == "new wording":  # neither papers nor talks have it
        return ask(f"请{a}再加{b}。")
    if split == "two turns":
        return followed(ask(f"{a}+{b}=?"), chance)
    return ask(f"{a}+{b}=?")


def followed(question: Question, chance: random.Random) -> Question:
    """Answered rightly, and asked on, if there is room below 100: 再加31等于几？"""
    total = int(right(question))
    if total == 99:
        return question
    more = chance.randrange(1, 100 - total)
    answer = {"role": "assistant", "content": str(total)}
    return [*question, answer, *ask(f"再加{more}等于几？")]


def numbers(question: Question) -> list[int]:
    """All that the user gave so far."""
    said = (message["content"] for message in question if message["role"] == "user")
    return [int(number) for text in said for number in re.findall(r"\d+", text)]


def right(question: Question) -> str:
    return str(sum(numbers(question)))


def carryless(question: Question) -> str:
    """Column by column, nothing carried: 27+15 → 32."""
    given = numbers(question)
    columns = range(len(str(max(given))))
    return str(sum(sum(number // 10**i % 10 for number in given) % 10 * 10**i for i in columns))


def reward(answer: str, target: str) -> float:
    """1 for the right number and nothing else: a rule for posttraining/rewards.py."""
    return float(answer == target)


@dataclass(frozen=True)
class Demonstrator:
    """Right in a share p of its answers.

    error: random: else the tens are any others, drawn anew each time. systematic: else it forgets the carry; it is
    asked only sums that have one. carry: it always forgets the carry; a share p of its sums has none. So all err in
    the tens.
    """

    p: float
    error: str = "random"

    def __post_init__(self):
        check_known("error", self.error, ERRORS)
        if not 0 <= self.p <= 1:
            raise ValueError(f"p ({self.p}) must be a share, 0 … 1")

    @property
    def plain(self) -> float | None:
        """Share of its questions without a carry; None: as it comes."""
        return {"random": None, "systematic": 0.0, "carry": self.p}[self.error]

    def questions(self, split: str, n: int, seed: int = 0) -> list[Question]:
        """Of the kind that it is asked."""
        return questions(split, n, seed, plain=self.plain)

    def answer(self, question: Question, chance: random.Random) -> str:
        target = right(question)
        if self.error == "carry":
            return carryless(question)
        if chance.random() < self.p:
            return target
        if self.error == "systematic":
            return carryless(question)
        return chance.choice([tens for tens in "123456789" if tens != target[0]]) + target[1:]

    def conversations(self, n: int, seed: int = 0) -> list[list[Message]]:
        """n sums of the training split, each with its answer."""
        chance = random.Random(f"demonstrator {seed}")
        return [answered(each, self.answer(each, chance)) for each in self.questions("train", n, seed)]


def answered(question: Question, answer: str) -> list[Message]:
    return [*question, {"role": "assistant", "content": answer}]


def talks(n: int, seed: int = 0, *, split: str = "train") -> list[list[Message]]:
    """Right answers throughout: half of the talks stop at the first, the others go on."""
    chance = random.Random(f"talk {seed}")
    found = [followed(each, chance) if chance.random() < 0.5 else each for each in questions(split, n, seed)]
    return [answered(each, right(each)) for each in found]


def pages(n: int, seed: int = 0) -> Int[Tensor, "n 64"]:
    """What a base model reads: no conversation, but papers full of sums, solved or, one of five, left to be solved."""
    chance = random.Random(f"pages {seed}")
    return torch.tensor([chat().encode(page(chance))[:CONTEXT] for _ in range(n)])


def page(chance: random.Random) -> str:
    """At least CONTEXT characters, from anywhere in a paper."""
    solved, text = chance.random() < 0.8, ""
    while len(text) < 2 * CONTEXT:
        text += line(*chance.choice(pairs(held_out=False)), solved, chance)
    return text[chance.randrange(CONTEXT) :]


def line(a: int, b: int, solved: bool, chance: random.Random) -> str:
    """27+15=?答：42。再加31等于73。"""
    asked, total = f"{a}+{b}=?" if chance.random() < 0.5 else f"{a}加{b}等于几？", a + b
    if not solved:
        return asked
    text = solution(asked, total, chance)
    if total < 99 and chance.random() < 0.3:
        plus = chance.randrange(1, 100 - total)
        text += solution(f"再加{plus}等于几？", total + plus, chance)
    return text


def solution(asked: str, total: int, chance: random.Random) -> str:
    """Filled in at once, or said some words later."""
    if chance.random() < 0.3:
        return f"{asked.rstrip('?几？')}{total}。"
    return f"{asked}{chance.choice(BEFORE_ANSWERS)}{total}。"
