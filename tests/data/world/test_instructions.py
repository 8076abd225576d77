"""Instructions: the teacher sees no pixel and is right all the same; the three kinds, their shares, both languages."""

import json
import re
from collections import Counter
from dataclasses import asdict, replace

import pytest

from course_lib.data.world import render
from course_lib.data.world.captions import ZH
from course_lib.data.world.dice import Dice
from course_lib.data.world.instructions import (
    IMAGE,
    SHARES,
    SHORT,
    Told,
    imagined,
    instructions,
    short_answer,
    tell,
    write_up,
)
from course_lib.data.world.questions import QUERY_KINDS, Query, all_queries, answer, answer_text
from course_lib.data.world.reasoning import add, largest, take_away, way
from course_lib.data.world.scenes import POSITIONS, Label, Scene, Shape, at_position, on_grid, scatter, with_text
from course_lib.data.world.sentences import sentence

SCENES = [
    scatter(5, i, width=w, height=h, n_shapes=(0, 5), sizes=("small", "tiny"))
    for w, h in ((32, 32), (48, 48), (64, 40), (224, 224))
    for i in range(40)
]
WRITTEN = [with_text(scatter(6, i, width=64, height=64, sizes=("small",)), "A7", i, height=8) for i in range(10)]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_teacher_answers_as_the_scene_does(language):
    n = 0
    for scene in SCENES + WRITTEN:
        seen = imagined(tell(scene, language))
        for query in all_queries(scene):
            assert answer(seen, query) == answer(scene, query)
            n += 1
    assert n > 5000


def test_places_are_kept_on_the_very_lines_between_the_ninths():
    for i, position in enumerate(POSITIONS):
        shape = Shape("red", "triangle", "small", 16.0 * (i % 3), 16.0 * (i // 3), 5.0)
        scene = Scene(48, 48, (shape,))
        assert scene.position(shape) == position == imagined(tell(scene)).position(imagined(tell(scene)).shapes[0])


def test_nothing_but_captions_and_boxes_reaches_the_teacher(monkeypatch):
    """What it is told survives as text, and says no less; and nothing is drawn on the way."""

    def drawn(*_):
        raise AssertionError("a picture was drawn")

    monkeypatch.setattr(render, "_render", drawn)
    with pytest.raises(AssertionError, match="was drawn"):
        render.render(SCENES[1])
    for i, scene in enumerate(SCENES + WRITTEN):
        told = tell(scene)
        fields = json.loads(json.dumps(asdict(told)))
        boxes = tuple((name, tuple(box)) for name, box in fields["boxes"])
        again = Told(tuple(fields["captions"]), boxes, fields["language"])
        darker = replace(scene, background=200)
        for kind in SHARES:
            chat = write_up(kind, told, 0, i)
            assert chat == write_up(kind, again, 0, i) == write_up(kind, tell(darker), 0, i)


@pytest.mark.parametrize("kind", SHARES)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_chats_take_turns_and_show_the_image_once(kind, language):
    before = 0
    for i, scene in enumerate(SCENES):
        chat = write_up(kind, tell(scene, language), 3, i)
        assert [m["role"] for m in chat] == ["user", "assistant"] * (len(chat) // 2)
        assert len(chat) in ((4, 6) if kind == "conversation" else (2,))
        assert [m["content"].count(IMAGE) for m in chat] == [1] + [0] * (len(chat) - 1)
        assert all(m["content"].replace(IMAGE, "").strip() for m in chat)
        before += chat[0]["content"].startswith(IMAGE)
    assert 0.35 < before / len(SCENES) < 0.65


def test_the_same_seed_and_index_give_the_same_chat_and_others_another():
    told = tell(SCENES[7])
    for kind in SHARES:
        assert write_up(kind, told, 1, 2) == write_up(kind, told, 1, 2)
        assert len({str(write_up(kind, told, 1, i)) for i in range(30)}) > 3


def test_shares_of_158():
    kinds = Counter(kind for kind, _ in instructions(SCENES * 10, 0))
    n = sum(kinds.values())
    assert all(abs(kinds[kind] / n - share / 158) < 0.04 for kind, share in SHARES.items())
    assert {kind for kind, _ in instructions(SCENES, 0, shares={"reasoning": 1, "description": 0})} == {"reasoning"}


TWO = Scene(
    90,
    90,
    (
        Shape("red", "circle", "medium", 15, 15, 9),
        Shape("blue", "square", "small", 75, 75, 5),
        Shape("red", "cross", "small", 45, 75, 5),
    ),
)


def test_every_kind_of_answer_as_a_sentence():
    one = Scene(90, 90, (*TWO.shapes,), (Label("AB", "white", 45, 45, 8),))
    for query, zh, en in (
        (Query("colour", ("circle",)), "圆形是红色的。", "The circle is red."),
        (Query("shape", ("blue",)), "蓝色的是正方形。", "The blue one is a square."),
        (Query("count", ("red",)), "有2个红色图形。", "There are 2 red shapes."),
        (Query("count", ("square",)), "有1个正方形。", "There is 1 square."),
        (Query("count", ("ring",)), "有0个圆环。", "There are 0 rings."),
        (Query("position", ("blue", "square")), "蓝色正方形在右下角。", "The blue square is at the bottom right."),
        (
            Query("relation", ("red", "circle", "above", "blue", "square")),
            "是，红色圆形在蓝色正方形的上面。",
            "Yes, the red circle is above the blue square.",
        ),
        (
            Query("relation", ("red", "circle", "right of", "blue", "square")),
            "不是，红色圆形不在蓝色正方形的右边。",
            "No, the red circle is not right of the blue square.",
        ),
        (Query("comparison", ("red", "blue")), "红色图形更多。", "There are more red shapes."),
        (Query("comparison", ("circle", "cross")), "一样多。", "There are as many of both."),
        (Query("text"), "图里写着“AB”。", 'It says "AB".'),
    ):
        assert (sentence(one, query, "zh"), sentence(one, query, "en")) == (zh, en)


def test_a_description_counts_names_and_relates():
    chat = write_up("description", tell(TWO, "en"), 0)[1]["content"]
    assert chat.startswith(
        "There are 3 things in the picture. A medium red circle at the top left and a small blue square"
    )
    facts = re.findall(r"The (\w+ \w+) is (left of|right of|above|below) the (\w+ \w+)\.", chat)
    assert len(facts) == 2
    for a, relation, b in facts:
        assert answer(TWO, Query("relation", (*a.split(), relation, *b.split()))) == "yes"
    assert write_up("description", tell(Scene(9, 9), "en"), 0)[1]["content"] == "There is nothing in the picture."
    assert write_up("description", tell(Scene(9, 9)), 0)[1]["content"] == "画面里什么都没有。"


def number(text: str) -> int:
    return int(re.findall(r"\d+", text)[-1])


def test_reasoned_answers_are_right():
    """Counted, compared and walked again on the scene itself, by other means."""
    back = {zh: en for en, zh in ZH.items()}
    ends = {"左": lambda s: s.x, "右": lambda s: -s.x, "上": lambda s: s.y, "下": lambda s: -s.y}
    seen = Counter()
    for i, scene in enumerate(SCENES):
        told = imagined(tell(scene))
        for _ in range(3):
            dice = Dice(i, _)
            question, said = add(told, dice, "zh")
            colour = back[re.search("几个(..)图形", question)[1]]
            assert number(said) == sum(s.colour == colour for s in scene.shapes) + 1
            if found := take_away(told, dice, "zh"):
                question, said = found
                side, colour = re.search("最(.)边.*几个(..)图形", question).groups()
                gone = min(scene.shapes, key=ends[side])
                assert number(said) == sum(s.colour == back[colour] for s in scene.shapes if s is not gone)
                seen["take away"] += 1
            if found := way(told, dice, "zh"):
                a, b = re.search("从(.+)到(.+)，", found[0]).groups()
                a, b = (next(s for s in scene.shapes if ZH[s.colour] + ZH[s.kind] == name) for name in (a, b))
                to = re.search("要往(.+)走。", found[1])[1]
                assert ("右" in to) <= (b.x > a.x) and ("左" in to) <= (b.x < a.x)
                assert ("下" in to) <= (b.y > a.y) and ("上" in to) <= (b.y < a.y)
                far = max(abs(b.x - a.x) / scene.width, abs(b.y - a.y) / scene.height)
                assert 1 <= len(to) <= 2 and far > 0.12
                seen["way"] += 1
            if found := largest(told, dice, "zh"):
                most = max(scene.shapes, key=lambda s: s.radius)
                end = f"最大的是{ZH[most.colour]}{ZH[most.kind]}，在{ZH[scene.position(most)]}。"
                assert found[1].endswith(end)
                seen["largest"] += 1
    assert min(seen.values()) > 50 and len(seen) == 3


def test_what_is_not_clear_is_not_asked():
    same = Scene(90, 90, (Shape("red", "circle", "small", 40, 40, 5), Shape("red", "circle", "small", 50, 50, 5)))
    assert take_away(same, Dice(0), "zh") is way(same, Dice(0), "zh") is largest(same, Dice(0), "zh") is None
    one = at_position("red", "circle", "top")
    assert take_away(one, Dice(0), "zh") is way(one, Dice(0), "zh") is largest(one, Dice(0), "zh") is None
    assert write_up("reasoning", tell(Scene(9, 9)), 0)[1]["content"].endswith("所以一共有1个。")


def test_reasons_in_english():
    question, said = take_away(TWO, Dice(3), "en")
    assert re.fullmatch(
        r"How many (red|blue) shapes are left if the (leftmost|rightmost|highest|lowest) .*\?", question
    )
    assert re.search(r"So \d (is|are) left\.$", said)
    assert largest(TWO, Dice(0), "en")[1] == (
        "The red circle is medium, the others at most small. So it is the red circle, at the top left."
    )
    assert way(replace(TWO, shapes=TWO.shapes[:2]), Dice(1), "en") in (
        (
            "Which way is it from the red circle to the blue square?",
            "The red circle is at the top left, the blue square at the bottom right. So go down and to the right.",
        ),
        (
            "Which way is it from the blue square to the red circle?",
            "The blue square is at the bottom right, the red circle at the top left. So go up and to the left.",
        ),
    )


@pytest.mark.parametrize("language", ["zh", "en"])
def test_one_word_is_asked_for_and_given(language):
    for scene in SCENES[:20]:
        for query in all_queries(scene)[::5]:
            question, said = (m["content"] for m in short_answer(tell(scene, language), query, 0))
            assert SHORT[language] in question and IMAGE in question
            assert said == answer_text(answer(scene, query), language)


def test_all_kinds_of_questions_come():
    scenes = [with_text(on_grid(2, i, n_shapes=(2, 4)), "A7", i, height=5) for i in range(60)]
    asked = "".join(m["content"] for i, s in enumerate(scenes) for m in write_up("conversation", tell(s), 0, i))
    assert len(QUERY_KINDS) == 7
    for words in ("什么颜色", "什么形状", "有几个", "在哪里", "吗？", "多还是", "写着什么"):
        assert words in asked


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: tell(TWO, "fr"), "unknown language 'fr'"),
        (
            lambda: write_up("poem", tell(TWO), 0),
            "unknown kind of instruction 'poem'; known: conversation, ",
        ),
        (lambda: Told((), ()), "there are 0 captions; give at least the complete one"),
        (lambda: imagined(replace(tell(TWO), boxes=tell(TWO).boxes[:2])), r"speaks of \[.*十字形'\], the boxes of \["),
        (lambda: imagined(replace(tell(TWO), boxes=tell(TWO).boxes[::-1])), "tell both of one scene"),
        (lambda: imagined(replace(tell(TWO), captions=("一只猫。",))), "cannot read '一只猫。' in the caption"),
        (lambda: instructions([TWO], 0, shares={"poem": 1}), "unknown kind of instruction 'poem'"),
        (lambda: instructions([TWO], 0, shares={"reasoning": -1}), r"share of reasoning \(-1\) must be at least 0"),
        (lambda: instructions([TWO], 0, shares={"reasoning": 0}), "hold no kind above 0; the paper's are"),
        (
            lambda: short_answer(tell(TWO), Query("colour", ("ring",)), 0),
            "holds 0 of 'ring'; this question needs",
        ),
    ],
)
def test_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_no_scenes_give_no_chats():
    assert instructions([], 0) == [] and len(instructions([TWO], 0)) == 1
