"""The matrix that the browser computes is foundations.contrastive's, its gradients torch's."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from course_lib.foundations.contrastive import clip_loss, sigmoid_loss
from course_lib.widgets.figure import MIME
from course_lib.widgets.similarity import SCALES, VIEWS, cells, plot_cells, row_softmax, similarity_widget
from course_lib.widgets.style import use_style

CASES = [(2, 1.0), (5, 0.07), (8, 0.01)]


def logits(n, tau):
    cosines = 2 * torch.rand(n, n, dtype=torch.float64, generator=torch.Generator().manual_seed(n)) - 1
    return (cosines / tau).requires_grad_()


@pytest.mark.parametrize(("n", "tau"), CASES)
def test_clips_loss_and_gradient_are_torchs(run_js, n, tau):
    z = logits(n, tau)
    ours = run_js("similarity", f"widget.maths.clipParts({json.dumps(z.tolist())})")
    loss = clip_loss(z)
    loss.backward()
    assert ours["loss"] == pytest.approx(loss.item(), abs=1e-9)
    for name, wanted in (("rows", z.softmax(1)), ("columns", z.softmax(0)), ("gradient", z.grad)):
        np.testing.assert_allclose(ours[name], wanted.detach(), rtol=0, atol=1e-9, err_msg=name)


@pytest.mark.parametrize(("n", "tau"), CASES)
@pytest.mark.parametrize("bias", [0, -10])
def test_the_sigmoids_loss_and_gradient_are_torchs(run_js, n, tau, bias):
    z = logits(n, tau)
    given = json.dumps((z + bias).tolist())
    ours = run_js("similarity", f"widget.maths.sigmoidParts({given})")
    loss = sigmoid_loss(z + bias)
    loss.backward()
    assert ours["loss"] == pytest.approx(loss.item(), abs=1e-9)
    np.testing.assert_allclose(ours["gradient"], z.grad, rtol=0, atol=1e-9)
    np.testing.assert_allclose(ours["probs"], (z + bias).sigmoid().detach(), rtol=0, atol=1e-12)


def test_a_pair_that_stands_twice_is_a_negative_as_near_as_a_positive(run_js):
    s = logits(4, 1).detach()
    given = json.dumps(s.tolist())
    ours = torch.tensor(run_js("similarity", f"widget.maths.doubled({given}, 1, 3)"), dtype=torch.float64)
    who = [0, 1, 2, 1]
    torch.testing.assert_close(ours, s[who][:, who], rtol=0, atol=0)
    assert ours[1, 3] == ours[3, 1] == ours[1, 1] == ours[3, 3]


def widget(n=3, **more):
    pictures = np.zeros((n, 4, 4, 3), np.uint8)
    return similarity_widget(np.eye(n), pictures, [f"第 {i} 句" for i in range(n)], **more)


def test_the_views_of_the_page_are_those_that_python_names(run_js):
    assert tuple(run_js("similarity", "widget.maths.VIEWS.map(([name]) => name)")) == VIEWS


@pytest.mark.parametrize(("n", "tau"), [*CASES, (3, 0.001)])
def test_no_cell_exceeds_its_views_scale(run_js, n, tau):
    s = logits(n, 1).tolist()
    found = run_js(
        "similarity",
        f"(() => {{ const s = {json.dumps(s)}; const z = s.map((each) => each.map((x) => x / {tau}));"
        "const now = { s, clip: widget.maths.clipParts(z), sigmoid: widget.maths.sigmoidParts(z) };"
        "return widget.maths.VIEWS.map(([name, cells, most]) => [most, Math.max(...cells(now).flat().map(Math.abs))]);"
        "})()",
    )
    assert [most for most, _ in found] == [*SCALES.values()]
    assert all(largest <= most + 1e-9 for most, largest in found)
    if tau == 0.001:
        assert all(largest > 0.9 * most for most, largest in found[1:])


def test_the_payload_holds_what_the_page_computes_from(monkeypatch):
    monkeypatch.setenv("COURSE_PUBLISH", "1")
    state = widget(tau=0.5)._repr_mimebundle_()[0][MIME]["state"]
    assert (state["similarities"], state["again"], state["tau"]) == (np.eye(3).tolist(), [0, 2], 0.5)
    assert len(state["pictures"]) == 3 and state["texts"][1] == "第 1 句"


def test_the_still_form_holds_what_the_page_computes(run_js):
    s = logits(4, 1).detach().numpy()
    z = json.dumps((s / 0.3).tolist())
    theirs = run_js(
        "similarity",
        f"(() => {{ const [s, z] = [{json.dumps(s.tolist())}, {z}]; const now = {{ s, clip: widget.maths.clipParts(z),"
        "sigmoid: widget.maths.sigmoidParts(z.map((each) => each.map((x) => x - 4))) };"
        "return widget.maths.VIEWS.map(([_, cells]) => cells(now)); })()",
    )
    for view, values in zip(VIEWS, theirs, strict=True):
        np.testing.assert_allclose(cells(view, s, 0.3, -4), values, rtol=0, atol=1e-9, err_msg=view)


def test_the_still_form_is_blue_where_the_page_is():
    use_style()
    figure = plot_cells(np.array([[-1.0, 1.0], [0, 0]]), np.zeros((2, 4, 4, 3), np.uint8), "甲乙", VIEWS[0], "τ = 1")
    image = figure.axes[0].images[0]
    (low, _, blue_low, _), (high, _, blue_high, _) = image.to_rgba(np.array([-1.0, 1.0]))
    assert low > blue_low and blue_high > high
    plt.close(figure)


def test_the_alt_text_says_what_the_diagonal_gets():
    share = row_softmax(np.eye(3) / 0.5)[0, 0]
    assert f"{share:.2f}、{share:.2f}、{share:.2f}" in widget(tau=0.5).first_alt


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 1}, "N from 2 to 10"),
        ({"tau": 2}, "tau"),
        ({"bias": 1}, "bias"),
        ({"again": (1, 1)}, "two of the 3"),
        ({"view": "梯度"}, "view '梯度'"),
        ({"view": "sigmoid", "pairwise": False}, "view 'sigmoid'"),
    ],
)
def test_bad_input_is_refused_in_words(arguments, message):
    with pytest.raises(ValueError, match=message):
        widget(**arguments)
