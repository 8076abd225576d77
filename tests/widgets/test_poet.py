"""The poets in the page: how they are asked, and that two widgets on one page share a file."""

import pytest

from course_lib.data.real.poems import BAR, EDGE
from course_lib.widgets.poet import live_acrostic, live_poet

TWICE = {"一": "poet", "二": "poet"}


def test_both_poets_are_asked_for_the_same_four_characters():
    made = live_acrostic("春夏秋冬", poets=TWICE)
    (other,) = made.others
    for still in (made.still, other["still"]):
        assert still["tokens"][: still["n_prompt"]] == [*"春夏秋冬", BAR, EDGE]
    assert (made.label, other["label"]) == ("一", "二") and made.still == other["still"]


def test_the_poet_of_another_widget_is_asked_for_but_once(publish):
    made = live_acrostic("春夏秋冬", poets=TWICE)
    assert made.file == made.others[0]["file"] == live_poet("春").file
    payload = made.payload()
    assert payload["others"][0]["file"] == made.file and "weights" not in payload["state"]["others"][0]


@pytest.mark.parametrize(("heads", "message"), [("春夏秋", "has 3 characters"), ("春夏秋龘", "龘")])
def test_four_characters_that_the_poems_have(heads, message):
    with pytest.raises(ValueError, match=message):
        live_acrostic(heads, poets=TWICE)


def test_where_lines_begin(run_js):
    tokens = ["春", "夏", "|", "\n", "春", "眠", "，", "秋", "来", "。", "\n"]
    script = f"widget.maths.beginnings({tokens}, 4, ['春', '夏', '秋'], ['，', '。', '\\n'])".replace("'", '"')
    assert run_js("live_text", script) == [[4, True], [7, False], [10, False]]
    assert run_js("live_text", script.replace(" 4,", " 11,")) == []
