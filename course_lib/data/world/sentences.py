"""Answers as whole sentences: what a conversation says where a test wants one word.

Read first: questions.py.  Chapter 15.
"""

from collections.abc import Sequence

from course_lib.data.world.captions import ZH, place
from course_lib.data.world.questions import RELATIONS, Query, answer
from course_lib.data.world.scenes import COLOURS, Scene, Shape


def sentence(scene: Scene, query: Query, language: str = "zh") -> str:
    """The scene's answer to the query. Raises ValueError where the scene has no clear one."""
    about, found, zh = query.about, answer(scene, query), language == "zh"
    if query.kind == "colour":
        return f"{ZH[about[0]]}是{ZH[found]}的。" if zh else f"The {about[0]} is {found}."
    if query.kind == "shape":
        return f"{ZH[about[0]]}的是{ZH[found]}。" if zh else f"The {about[0]} one is a {found}."
    if query.kind == "count":
        many = things(about[0], language, found)
        return f"有{found}个{many}。" if zh else f"There {be(found)} {found} {many}."
    if query.kind == "position":
        return f"{the(about, 'zh')}在{ZH[found]}。" if zh else f"{capital(the(about, 'en'))} is {place(found)}."
    if query.kind == "relation":
        said = related(about, found == "yes", language)
        return f"{'是' if found == 'yes' else '不是'}，{said}" if zh else f"{capital(found)}, {said}"
    if query.kind == "comparison":
        if found == "equal":
            return "一样多。" if zh else "There are as many of both."
        return f"{things(found, 'zh')}更多。" if zh else f"There are more {things(found, 'en')}."
    return f"图里写着“{found}”。" if zh else f'It says "{found}".'


def related(about: Sequence[str], holds: bool, language: str) -> str:
    """Two things and a relation between them, which holds or not; without a capital letter."""
    a, relation, b = the(about[:2], language), about[2], the(about[3:], language)
    if language == "zh":
        return f"{a}{'' if holds else '不'}在{b}的{RELATIONS[relation]}。"
    return f"{a} is {'' if holds else 'not '}{relation} {b}."


def the(thing: Shape | Sequence[str], language: str) -> str:
    """红色圆形 · the red circle"""
    colour, kind = (thing.colour, thing.kind) if isinstance(thing, Shape) else thing
    return ZH[colour] + ZH[kind] if language == "zh" else f"the {colour} {kind}"


def things(word: str, language: str, n: int = 2) -> str:
    """红色图形, 圆形 · red shapes, circles; one of them where n is 1."""
    if language == "zh":
        return f"{ZH[word]}图形" if word in COLOURS else ZH[word]
    noun = "shape" if word in COLOURS else word
    many = noun if n == 1 else {"cross": "crosses"}.get(noun, f"{noun}s")
    return f"{word} {many}" if word in COLOURS else many


def be(n: int) -> str:
    return "is" if n == 1 else "are"


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]
