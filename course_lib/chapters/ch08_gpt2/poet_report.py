"""What the zoo's poet has learned, beside counts, chance and the poets: the tables of book/dataset-poems.md.

python -m course_lib.chapters.ch08_gpt2.poet_report       about a minute
"""

import random
from collections.abc import Sequence

import torch

from course_lib import zoo
from course_lib.chapters.ch08_gpt2.counted_poems import CountedPoems
from course_lib.chapters.ch08_gpt2.poet import habits, log_probability, rows, write
from course_lib.console import speak_chinese
from course_lib.data.real.poem_rules import lines_of, rhymes, sounds, tone_reward
from course_lib.data.real.poems import poems, vocabulary
from course_lib.models.gpt2 import GPT2

UNSEEN = ("held-out", "new-poets")
DISCOUNTS = {1: 0.5, 2: 0.8, 3: 0.9}  # the best on the held-out poems, in tenths: a favour to the rivals
N_WRITTEN = 1000
LAST = {5: 23, 7: 31}  # the place of the last character in a row of ids


def longest_copied(texts: Sequence[str]) -> str:
    """The longest run of characters and marks that stands in a training poem, too."""
    read, longest = "\n".join(map(str, poems("train"))), ""
    for text in texts:
        for start in range(len(text)):
            while start + len(longest) < len(text) and text[start : start + len(longest) + 1] in read:
                longest = text[start : start + len(longest) + 1]
    return longest


def more_habits(texts: Sequence[str]) -> dict[str, float]:
    """Of texts with the form: share of lines whose tones turn, of second and fourth lines that end in a level tone, and
    of couples of characters that are different."""
    formed = [lines for lines in map(lines_of, texts) if lines]
    ends = [sounds()[lines[k][-1]][1] for lines in formed for k in (1, 3)]
    pairs = [line[i : i + 2] for lines in formed for line in lines for i in range(len(line) - 1)]
    return {
        "tone": sum(map(tone_reward, formed)) / len(formed),
        "level ends": ends.count("平") / len(ends),
        "different pairs": len(set(pairs)) / len(pairs),
    }


@torch.no_grad()
def rhyme_expected(model: GPT2) -> tuple[float, float]:
    """What the model gives, before the last character of a held-out poem, to all that would rhyme; and what it gives to
    all that rhymes with the second line of another poem."""
    chosen = poems("held-out")
    ends = [poem.lines[1][-1] for poem in chosen]
    others = random.Random(0).sample(ends, len(ends))
    own = other = 0.0
    for poem, row, end, another in zip(chosen, rows("held-out"), ends, others, strict=True):
        p = model(row[None, : LAST[len(poem.lines[0])]])[0, -1].softmax(-1)
        own += p[[rhymes(end, each) for each in vocabulary()]].sum().item()
        other += p[[rhymes(another, each) for each in vocabulary()]].sum().item()
    return own / len(chosen), other / len(chosen)


def main() -> None:
    speak_chinese()
    model = zoo.load("poet")
    for n, discount in DISCOUNTS.items():
        counted = CountedPoems(poems("train"), n, discount)
        print(f"{n}-grams", *(f"{counted.log_probability(poems(split)):.3f}" for split in UNSEEN))
    with torch.no_grad():
        print("poet", *(f"{log_probability(model, rows(split)):.3f}" for split in ("train", *UNSEEN)))
    print("rhyme expected: {:.3f}, of another poem: {:.3f}".format(*rhyme_expected(model)))
    written = {f"poet, temperature {t}": write(model, N_WRITTEN, temperature=t, seed=1) for t in (1.0, 0.8)} | {
        split: [str(poem) for poem in poems(split)] for split in UNSEEN
    }
    for name, texts in written.items():
        said = habits(texts) | more_habits(texts[: len(poems("held-out"))])
        print(name, *(f"{habit} {share:.3f}" for habit, share in said.items()), longest_copied(texts))
    print(*write(model, 5, temperature=0.8), *write(model, 3, beginning="春眠", temperature=0.8), sep="\n")


if __name__ == "__main__":
    main()
