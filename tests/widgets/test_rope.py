"""The rotation that the browser computes is the rotation of course_lib.foundations.rope."""

import json

import numpy as np
import pytest
import torch

from course_lib.foundations.rope import angles, frequencies, rotate_interleaved, rotation_matrix
from course_lib.widgets.figure import MIME
from course_lib.widgets.rope import rope_rotation
from course_lib.widgets.rope_figure import plot_rotation
from course_lib.widgets.style import COLORS


def cases():
    rng = np.random.default_rng(0)
    for d_head, base in [(2, 10000.0), (4, 100.0), (8, 10000.0), (16, 500000.0)]:
        for _ in range(5):
            m, n = rng.uniform(0, 32, 2)
            yield rng.normal(size=d_head), rng.normal(size=d_head), m, n, frequencies(d_head, base)


def turn(x, position, freqs):
    return rotate_interleaved(torch.tensor(x), angles(torch.tensor(position), freqs))


def in_js(run_js, call):
    listed = [[q.tolist(), k.tolist(), m, n, freqs.tolist()] for q, k, m, n, freqs in cases()]
    return run_js("rope_rotation", f"{json.dumps(listed)}.map(([q, k, m, n, freqs]) => {call})")


def test_the_browser_turns_vectors_as_the_library_does(run_js):
    for (q, _, m, _, freqs), ours in zip(cases(), in_js(run_js, "widget.maths.rotate(q, m, freqs)")):
        np.testing.assert_allclose(ours, turn(q, m, freqs), rtol=0, atol=1e-13)


def test_the_planes_contributions_add_up_to_the_score(run_js):
    for (q, k, m, n, freqs), ours in zip(cases(), in_js(run_js, "widget.maths.contributions(q, k, m, n, freqs)")):
        planes = (turn(q, m, freqs) * turn(k, n, freqs)).reshape(-1, 2).sum(1)
        np.testing.assert_allclose(ours, planes, rtol=0, atol=1e-12)


def test_the_score_from_the_distance_alone_is_the_same_score(run_js):
    for (q, k, m, n, freqs), ours in zip(cases(), in_js(run_js, "widget.maths.relativeScore(q, k, n - m, freqs)")):
        assert ours == pytest.approx(
            float(torch.tensor(q) @ rotation_matrix(n - m, freqs) @ torch.tensor(k)), abs=1e-12
        )
        assert ours == pytest.approx(float(turn(q, m, freqs) @ turn(k, n, freqs)), abs=1e-12)


def test_the_payload_holds_what_the_page_computes_from(publish):
    payload = rope_rotation(d_head=4, q=[1, 0, 0, 1], k=[1, 0, 1, 0], m=2, n=5)._repr_mimebundle_()[0][MIME]
    state = payload["state"]
    assert (state["q"], state["k"], state["m"], state["n"]) == ([1, 0, 0, 1], [1, 0, 1, 0], 2, 5)
    np.testing.assert_array_equal(state["freqs"], frequencies(4))
    assert state["colors"]["Q"] == COLORS["Q"] and state["colors"]["K"] == COLORS["K"]
    assert payload["module"] == "rope_rotation"
    assert len(json.dumps(payload)) < 5000


def test_the_alt_text_states_the_score(publish):
    q, k, freqs = np.array([1.0, 2.0]), np.array([-0.5, 1.5]), frequencies(2)
    bundle = rope_rotation(d_head=2, q=q, k=k, m=1, n=4)._repr_mimebundle_()[0]
    score = float(turn(q, 1.0, freqs) @ turn(k, 4.0, freqs))
    assert f"分数 {score:.4f}" in bundle["text/plain"]
    assert "n − m = 3" in bundle["text/plain"]


def test_the_stored_picture_draws_the_same_score():
    q, k, m, n, freqs = next(case for case in cases() if len(case[0]) == 8)
    figure = plot_rotation(q, k, freqs.numpy(), m, n)
    score = float(turn(q, m, freqs) @ turn(k, n, freqs))
    curve, dot = figure.axes[-1].lines
    np.testing.assert_allclose(dot.get_xydata(), [[n - m, score]])
    assert np.interp(n - m, *curve.get_data()) == pytest.approx(score, abs=0.01)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"d_head": 7}, "even"),
        ({"d_head": 18}, "more than 16"),
        ({"d_head": 4, "q": [1, 2]}, "q must be 4 numbers"),
        ({"d_head": 2, "k": [0, 0]}, "not all 0"),
        ({"m": 33}, "between 0 and 32"),
    ],
)
def test_bad_input_is_refused_in_words(arguments, message):
    with pytest.raises(ValueError, match=message):
        rope_rotation(**arguments)
