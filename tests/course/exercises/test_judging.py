"""The check judges by behaviour, says the nearest truth in Chinese, and never raises for what an answer does."""

import numpy as np
import pytest
import torch

from course_lib.course.exercises import Exercise, Mistake, check, hint, judge, kept, progress, solution
from course_lib.course.exercises.judging import all_cases


def mean_exercise(**changes):
    """Mean over the last axis of x [N, D]."""
    fields = dict(
        id="98-mean-1",
        title="平均",
        level=1,
        minutes=2,
        task="写 `mean(x)`。",
        stub="def mean(x):\n    ...",
        solution=lambda x: x.mean(-1),
        mistakes=[
            Mistake("sum", lambda x: x.sum(-1), "没有除以个数。"),
            Mistake("axis", lambda x: x.mean(0), "轴错了。"),
            Mistake("all", lambda x: x.mean(), "全都平均了。"),
        ],
        hints=["先求和。", "再除。"],
        passes="对。",
        next="中位数呢？",
        cases=lambda rng: [(torch.from_numpy(rng.normal(size=size)),) for size in ((5, 3), (2, 3), (4, 6))],
    )
    return Exercise(**fields | changes)


def value_exercise(solution, wrong, **changes):
    mistakes = [Mistake(f"m{i}", value, f"错在 {i}。") for i, value in enumerate(wrong)]
    return mean_exercise(solution=solution, mistakes=mistakes, cases=None, stub="answer = ...", **changes)


@pytest.mark.parametrize(
    "answer",
    [
        lambda x: x.sum(-1) / x.shape[-1],
        lambda x: np.mean(np.asarray(x), axis=-1),
        lambda x: [float(sum(row)) / len(row) for row in x],
        lambda x: [sum(row) / len(row) for row in x],
        lambda x: x.float() @ torch.full((x.shape[-1],), 1 / x.shape[-1]),
        lambda x: torch.nn.functional.avg_pool1d(x, x.shape[-1])[:, 0],
        lambda x: x @ torch.full((x.shape[-1],), 1 / x.shape[-1]),
        lambda x: (x @ np.ones((x.shape[-1], 1)) / x.shape[-1])[:, 0],
        lambda x: x.half().mean(-1),
        lambda x: x.bfloat16().mean(-1),
    ],
    ids=["sum", "numpy", "floats", "scalars", "fp32", "pool", "fp32 weight", "numpy weight", "fp16", "bf16"],
)
def test_any_correct_way_passes(answer):
    assert judge(mean_exercise(), answer).passed


def test_a_mistake_is_known_by_what_it_computes_not_by_its_text():
    outcome = judge(mean_exercise(), lambda x: np.einsum("nd->n", x.numpy()))
    assert (outcome.kind, outcome.mistake) == ("mistake", "sum")


def test_an_unknown_mistake_sees_the_smallest_input_that_fails():
    outcome = judge(mean_exercise(), lambda x: x.mean(-1) + (len(x) > 2))
    assert outcome.kind == "wrong"
    assert "形状 [4, 6]" not in outcome.message and "x = " in outcome.message and "形状 [5, 3]" in outcome.message
    assert "最大差 1" in outcome.message and "9 组输入里对了 3 组" in outcome.message


def test_the_smallest_case_comes_first():
    assert [case[0].numel() for case in all_cases(mean_exercise())] == [6] * 3 + [15] * 3 + [24] * 3


def test_a_wrong_shape_is_named():
    outcome = judge(mean_exercise(), lambda x: x.mean(-1, keepdim=True))
    assert "形状应是 [2]，你的是 [2, 1]" in outcome.message


def test_an_error_shows_the_line_and_the_input():
    def answer(x):
        return x @ x

    outcome = judge(mean_exercise(), answer)
    assert outcome.kind == "error"
    assert "return x @ x" in outcome.message and "形状 [2, 3]" in outcome.message


def test_the_error_of_wrong_arguments_says_how_the_check_calls():
    outcome = judge(mean_exercise(), lambda x, y: x)
    assert "f(x)" in outcome.message


@pytest.mark.parametrize("answer", [None, ..., "", " … ", lambda x: None, lambda x: ...])
def test_a_blank_is_no_failure(answer):
    assert judge(mean_exercise(), answer).kind == "blank"


def test_not_implemented_is_a_blank():
    def answer(x):
        raise NotImplementedError

    assert judge(mean_exercise(), answer).kind == "blank"


def test_a_value_where_a_function_is_asked_and_the_other_way_round():
    assert "要一个函数" in judge(mean_exercise(), torch.ones(2)).message
    assert "要一个值" in judge(value_exercise(2, [1, 3, 4]), lambda: 2).message


def test_the_answer_cannot_change_the_inputs_of_the_reference():
    def answer(x):
        result = x.mean(-1)
        x.zero_()
        return result

    assert judge(mean_exercise(), answer).passed


def test_prints_of_the_smallest_input_are_shown_once(capsys):
    def answer(x):
        print("seen", tuple(x.shape))
        return x.mean(-1)

    judge(mean_exercise(), answer)
    assert capsys.readouterr().out == "seen (2, 3)\n"


def test_a_mistake_that_raises_is_matched_by_the_kind_of_its_error():
    def view(x):
        return x.T.view(-1)

    mistakes = [*mean_exercise().mistakes, Mistake("view", view, "先 contiguous。")]
    cases = lambda rng: [(torch.from_numpy(rng.normal(size=(2, 3))),)]  # noqa: E731
    outcome = judge(mean_exercise(mistakes=mistakes, cases=cases), lambda x: x.transpose(0, 1).view(6))
    assert (outcome.kind, outcome.mistake) == ("mistake", "view")


@pytest.mark.parametrize(
    "solution, answer",
    [
        (0.8660254, 0.866),
        (0.8660254, "0.87"),
        (18, 18.0),
        (18, "18"),
        (18, torch.tensor(18)),
        ("B", " b "),
        ("B", "Ｂ"),
        ([0.5, 0.25], (0.5, 0.25)),
        ([0.5, 0.25], torch.tensor([0.5, 0.25])),
        (True, True),
        ({"a", "b"}, ["b", "a"]),
        ({"q": 1.0, "k": 2.0}, {"k": 2.0, "q": 1}),
        (["猫", "狗"], ("猫", "狗")),
    ],
)
def test_a_value_is_accepted_in_the_form_the_learner_has_it(solution, answer):
    assert judge(value_exercise(solution, ["x", "y", "z"]), answer).passed


@pytest.mark.parametrize(
    "solution, answer",
    [
        (18, 17), (18, 18.2), (0.5, 0.52), ("B", "C"), ([1, 2], [1, 2, 3]), (True, False), (0.5, "half"),
        (["猫", "狗"], ["狗", "猫"]), ({"q": 1.0}, {"k": 1.0}), (0.0, 0.1), (1.0, float("nan")),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused(solution, answer):
    assert judge(value_exercise(solution, ["x", "y", "z"]), answer).kind == "wrong"


def test_a_wrong_value_of_the_list_gets_its_sentence():
    assert judge(value_exercise(0.5, [0.87, -0.5, 1.0]), -0.5).message == "错在 1。"


def test_nan_and_inf_must_stand_in_the_same_places():
    exercise = mean_exercise(solution=lambda x: torch.where(x > 0, x, -torch.inf))
    assert judge(exercise, lambda x: x.masked_fill(x <= 0, -torch.inf)).passed
    assert not judge(exercise, lambda x: x.masked_fill(x <= 0, -1e9)).passed
    assert not judge(exercise, lambda x: x.masked_fill(x <= 0, torch.nan)).passed


def test_classes_are_judged_through_call():
    exercise = mean_exercise(solution=torch.nn.Identity, call=lambda made, x: made()(x), cases=mean_exercise().cases)
    assert judge(exercise, torch.nn.Identity).passed
    assert judge(exercise, torch.nn.ReLU).kind == "wrong"


def test_an_own_comparison_replaces_the_numbers():
    exercise = mean_exercise(same=lambda got, expected: torch.equal(got.sign(), expected.sign()))
    assert judge(exercise, lambda x: 100 * x.mean(-1)).passed


@pytest.mark.parametrize(
    "changes, complaint",
    [
        ({"id": "rope"}, "03-rope-2"),
        ({"level": 4}, "level is 4"),
        ({"mistakes": []}, "at least 3"),
        ({"mistakes": [Mistake("a", None, "b")] * 3}, "distinct"),
        ({"cases": None}, "cases"),
        ({"hints": []}, "hint"),
    ],
)
def test_a_malformed_exercise_says_what_to_mend(changes, complaint):
    with pytest.raises(ValueError, match=complaint):
        mean_exercise(**changes)


def test_check_remembers_and_progress_survives_a_restart(reader):
    check("03-rope-1", -0.5)
    check("03-rope-1", 0.5)
    check("03-rope-1", 1.0)
    check("03-rope-3", ...)
    known = kept.load()
    assert known["03-rope-1"]["tries"] == 3 and known["03-rope-1"]["passed"]
    assert "03-rope-3" not in known
    assert "✓ 03-rope-1" in repr(progress()) and "○ 03-rope-2" in repr(progress())
    assert {file.name for file in reader.iterdir()} - {".progress.lock"} == {"progress.json"}


def test_hints_come_one_at_a_time_and_the_last_repeats():
    texts = [repr(hint("03-rope-1")) for _ in range(4)]
    assert [text.split("：")[0] for text in texts] == ["提示 1/3", "提示 2/3", "提示 3/3", "提示 3/3"]
    assert repr(hint("03-rope-1", 1)) == texts[0]
    assert "def my_rope" in repr(solution("03-rope-2"))


def test_a_damaged_progress_file_is_set_aside(reader):
    (reader / "progress.json").write_text("{half", encoding="utf-8")
    assert check("03-rope-1", 0.5).passed
    assert (reader / "progress.damaged.json").read_text() == "{half"
    assert kept.load()["03-rope-1"]["passed"]


def test_a_folder_that_cannot_be_written_spoils_no_check(reader, monkeypatch):
    (reader / "file").write_text("")
    monkeypatch.setenv("COURSE_HOME", str(reader / "file"))
    outcome = check("03-rope-1", 0.5)
    assert outcome.passed and "进度没能保存" in outcome.message


def test_publishing_neither_reads_nor_writes_progress(reader, monkeypatch):
    check("03-rope-1", 0.5)
    monkeypatch.setenv("COURSE_PUBLISH", "1")
    assert "✓" not in repr(progress())
    check("03-rope-2", lambda x, positions, base: x)
    assert "03-rope-2" not in kept.load()


def test_unknown_ids_list_what_there_is():
    with pytest.raises(KeyError, match="03-rope-1"):
        check("03-rope-99", 1)
    with pytest.raises(KeyError, match="03"):
        check("97-none-1", 1)


def test_an_outcome_shows_as_its_message():
    outcome = check("03-rope-1", "<b>")
    assert repr(outcome).startswith("✗ 还不对")
    assert "&lt;b&gt;" in outcome._repr_html_() and "<b>'" not in outcome._repr_html_()
