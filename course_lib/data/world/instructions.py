"""Instructions about scenes, made as LLaVA made its own (Liu et al. 2023, arXiv:2304.08485, section 3): a teacher that
cannot see writes questions and answers, from captions and boxes alone.

    told = tell(scene)                               captions and boxes; the teacher gets nothing else, no pixel
    write_up("conversation", told, seed, index)      two or three turns: what, how many, which colour, where
    write_up("description", …)                       one turn: all that is there, and what stands beside what
    write_up("reasoning", …)                         one turn: steps, then what follows from them (reasoning.py)
There the teacher was GPT-4 and its three files are called conversation_58k, detail_23k and complex_reasoning_77k; here
it is a program, so its answers are as right as captions and boxes are.
Messages are those of posttraining/chat.py; IMAGE stands once, in the first question, before its words or after them.
Read first: captions.py, boxes.py, sentences.py.  Chapter 15.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from course_lib.data.world.boxes import boxes_of
from course_lib.data.world.captions import Phrase, caption, check_language, describe, name, parse_caption
from course_lib.data.world.dice import Dice
from course_lib.data.world.questions import Query, all_queries, answer, ask, question_and_answer, sample_queries
from course_lib.data.world.reasoning import reasoned
from course_lib.data.world.render import EXTENT
from course_lib.data.world.scenes import POSITIONS, Label, Scene, Shape
from course_lib.data.world.sentences import capital, related, sentence
from course_lib.foundations.checks import check_counts, check_known

IMAGE = "<image>"
SHARES = {"conversation": 58, "description": 23, "reasoning": 77}  # of 158 thousand
SIDE = 1000  # of the teacher's canvas: boxes are thousandths of each side
DESCRIBE = {
    "zh": ("请详细描述这张图。", "这张图里有什么？请一一说明。", "请把看到的都写出来。"),
    "en": ("Describe the picture in detail.", "What is in the picture? Tell me everything.", "Write down all you see."),
}
SHORT = {"zh": "请用一个词回答。", "en": " Answer the question using a single word or phrase."}  # the prompt of 1.5
Message = dict[str, str]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Told:
    """What the teacher is told. captions: of one scene, the first says all. boxes: (name, (x1, y1, x2, y2)), each
    number a share of the side, to three digits; in the order of the first caption."""

    captions: tuple[str, ...]
    boxes: tuple[tuple[str, Box], ...]
    language: str = "zh"

    def __post_init__(self):
        check_language(self.language)
        if not self.captions:
            raise ValueError("there are 0 captions; give at least the complete one, as tell does")


def tell(scene: Scene, language: str = "zh") -> Told:
    """Three captions, complete, without sizes and without places, and a box for each thing."""
    says = ((True, True), (False, True), (True, False))
    captions = (caption(scene, language, sizes=sizes, positions=places) for sizes, places in says)
    sides = (scene.width, scene.height, scene.width, scene.height)
    boxes = (tuple(round(float(edge / side), 3) for edge, side in zip(box, sides)) for box in boxes_of(scene))
    return Told(tuple(captions), tuple(zip(names(describe(scene), language), boxes)), language)


def imagined(told: Told) -> Scene:
    """The scene as the teacher pictures it, on a canvas of 1000 × 1000; in which ninth a thing is, the caption knows.

    Raises ValueError where captions and boxes do not speak of the same things.
    """
    phrases = parse_caption(told.captions[0], told.language)
    spoken, boxed = names(phrases, told.language), [each for each, _ in told.boxes]
    if spoken != boxed:
        raise ValueError(
            f"the first caption speaks of {spoken}, the boxes of {boxed}; tell both of one scene, in order"
        )
    shapes, labels = [], []
    for phrase, (_, box) in zip(phrases, told.boxes):
        x1, y1, x2, y2 = (SIDE * edge for edge in box)
        if phrase.kind == "text":
            centre = within(phrase.position, (x1 + x2) / 2, (y1 + y2) / 2)
            labels.append(Label(phrase.text, phrase.colour, *centre, max(1.0, y2 - y1)))
        else:
            left, up, right, down = EXTENT[phrase.kind]
            width, height = (x2 - x1) / (left + right), (y2 - y1) / (up + down)
            centre = within(phrase.position, x1 + left * width, y1 + up * height)
            shapes.append(Shape(phrase.colour, phrase.kind, phrase.size, *centre, max(1.0, width)))
    return Scene(SIDE, SIDE, tuple(shapes), tuple(labels))


def within(position: str, x: float, y: float) -> tuple[float, float]:
    """The point, moved into the ninth of the canvas if rounding has put it across the line."""
    row, column = divmod(POSITIONS.index(position), 3)
    x, y = (min(max(at, i * SIDE / 3 + 0.01), (i + 1) * SIDE / 3 - 0.01) for at, i in ((x, column), (y, row)))
    return x, y


def write_up(kind: str, told: Told, seed: int, index: int = 0) -> list[Message]:
    """A chat of one of the three kinds; the same for the same seed and index."""
    check_known("kind of instruction", kind, SHARES)
    scene, dice, language = imagined(told), Dice(seed, kind, index), told.language
    if kind == "conversation":
        n = min(dice.between(2, 3), len(all_queries(scene)))
        turns = [(ask(q, language), sentence(scene, q, language)) for q in sample_queries(scene, seed, index, n=n)]
    elif kind == "description":
        turns = [(dice.choice(DESCRIBE[language]), description(told, scene, dice))]
    else:
        turns = [reasoned(scene, dice, language)]
    return chat(turns, dice)


def short_answer(told: Told, query: Query, seed: int, index: int = 0) -> list[Message]:
    """One question that asks for a word, as LLaVA-1.5 does, so that a model can tell it from a conversation's."""
    question, word = question_and_answer(imagined(told), query, told.language)
    return chat([(question + SHORT[told.language], word)], Dice(seed, "short answer", index))


def instructions(
    scenes: Sequence[Scene], seed: int, *, shares: Mapping[str, int] = SHARES, language: str = "zh"
) -> list[tuple[str, list[Message]]]:
    """(kind, chat), one for each scene. shares: how often each kind comes, in proportion; 0 or left out: never.

    Raises ValueError for unknown kinds, negative shares, and none above 0.
    """
    for kind in shares:
        check_known("kind of instruction", kind, SHARES)
    check_counts(0, **{f"share of {kind}": share for kind, share in shares.items()})
    tickets = [kind for kind, share in shares.items() for _ in range(share)]
    if not tickets:
        raise ValueError(f"shares {dict(shares)} hold no kind above 0; the paper's are {SHARES}")
    kinds = [Dice(seed, "instructions", i).choice(tickets) for i in range(len(scenes))]
    told = (tell(scene, language) for scene in scenes)
    return [(kind, write_up(kind, each, seed, i)) for i, (kind, each) in enumerate(zip(kinds, told))]


def chat(turns: Sequence[tuple[str, str]], dice: Dice) -> list[Message]:
    """Questions and answers in turns; the first question has the image before it, or after it."""
    messages = []
    for question, said in turns:
        messages += [{"role": "user", "content": question}, {"role": "assistant", "content": said}]
    first = messages[0]["content"]
    messages[0]["content"] = f"{IMAGE}\n{first}" if dice.percent(50) else f"{first}\n{IMAGE}"
    return messages


def description(told: Told, scene: Scene, dice: Dice) -> str:
    """How many things, what and where each is, and up to two relations between them."""
    n, zh = len(scene.shapes) + len(scene.labels), told.language == "zh"
    if not n:
        return told.captions[0] if zh else f"{capital(told.captions[0])}."
    true = [q for q in all_queries(scene) if q.kind == "relation" and answer(scene, q) == "yes"]
    facts = [related(q.about, True, told.language) for q in dice.sample(true, min(2, len(true)))]
    if zh:
        return "".join([f"图里一共有{n}样东西。", told.captions[0], *facts])
    begin = f"There {'is' if n == 1 else 'are'} {n} thing{'' if n == 1 else 's'} in the picture."
    return " ".join([begin, f"{capital(told.captions[0])}.", *map(capital, facts)])


def names(phrases: Sequence[Phrase], language: str) -> list[str]:
    """What the boxes are called: neither size nor place."""
    return [name(Phrase(phrase.colour, phrase.kind, text=phrase.text), language) for phrase in phrases]
