"""What is measured of an aligned poet, against small cases done by hand and against the zoo's poet."""

import pytest
import torch

from course_lib import zoo
from course_lib.data.real.poems import poems, tokenizer
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.posttraining.log_probs import is_target, token_log_probs
from course_lib.toys.aligned_poet import (
    as_ids,
    beginnings,
    distance,
    edge,
    examined,
    habits,
    log_probability,
    side_by_side,
    without_dropout,
    write,
)

SPRING = "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。"
ONE_END = "山山山山东，山山山山东。山山山山东，山山山山东。"


def tiny(seed: int = 0, dropout: float = 0.0) -> GPT2:
    torch.manual_seed(seed)
    return GPT2(GPT2Config(n_vocab=tokenizer().n_vocab, context=40, d_model=12, n_layers=1, n_heads=2, dropout=dropout))


def test_habits_of_two_poems_counted_by_hand():
    found = habits([SPRING, ONE_END, "春眠"])
    assert found["form"] == pytest.approx(2 / 3)
    assert found["five"] == 1 and habits([str(poem) for poem in poems("held-out")])["five"] < 0.5
    assert found["rhyme"] == 1 / 2  # 鸟 and 少; 东 and 东 are one character
    assert found["variety"] == 0  # 处处
    assert found["one end"] == 2 / 4
    assert found["copied"] == sum(SPRING[6 * i : 6 * i + 5] in known() for i in range(4)) / 8
    assert found["repeated"] == pytest.approx((1 + 18 + 0) / (20 + 20 + 2))
    # 16 pairs of the spring, 山山 and 山东 of the sixteen, 春眠 again
    assert found["distinct"] == pytest.approx((16 + 2) / 33)


def known() -> set[str]:
    return {line for poem in poems("train") for line in poem.lines}


def test_lines_of_training_poems_are_found_and_new_ones_are_not():
    assert habits([str(poem) for poem in poems("train")[:5]])["copied"] == 1
    assert habits([ONE_END])["copied"] == 0


def test_texts_without_a_poem_have_habits_too():
    found = habits(["", "，", "春|眠"])
    assert found["form"] == found["rhyme"] == found["one end"] == found["repeated"] == found["distinct"] == 0


def test_what_is_written_begins_as_asked_and_is_what_the_ids_say():
    begun = ["春眠", "明月"]
    written, texts = write(tiny(), begun, n=3, generator=torch.Generator().manual_seed(0))
    assert [text[:2] for text in texts] == ["春眠"] * 3 + ["明月"] * 3
    for ids, text in zip(written.ids.tolist(), texts):
        assert ids[0] == edge() and tokenizer().decode(ids[1:]).startswith(text)
    assert written.ids.shape[1] <= 34 and not written.is_answer[:, :3].any()


def test_beginnings_of_two_lengths_are_written_on_as_each_alone_would_be():
    """Padding plays no part: each row's log-probabilities are those of its text alone."""
    policy = tiny()
    written, texts = write(
        policy, ["春眠不觉晓，", "晋臣何窍苍黄昏，"], n=2, generator=torch.Generator().manual_seed(0)
    )
    assert written.ids.shape[1] <= 34 and [text[:6] for text in texts[:2]] == ["春眠不觉晓，"] * 2
    for i, text in enumerate(texts):
        ids = as_ids([text])[:, : int(written.is_token[i].sum())]
        alone = token_log_probs(policy(ids), ids)[0, 6 if i < 2 else 8 :]
        assert torch.allclose(written.log_probs[i][written.is_answer[i, 1:]], alone, atol=1e-5)


def test_beginnings_are_of_different_poems_and_the_same_for_a_seed():
    begun = beginnings(50, length=5, split="held-out", seed=3)
    assert begun == beginnings(50, length=5, split="held-out", seed=3) != beginnings(50, length=5, split="held-out")
    assert set(begun) <= {poem.lines[0][:5] for poem in poems("held-out")} and len(set(begun)) > 48
    assert beginnings(3, length=0) == ["", "", ""]
    assert all(each.index("，") == len(each) - 1 in (5, 7) for each in beginnings(20))
    for wrong in (dict(length=6), dict(length=-1), dict(split="held-out", length=2)):
        with pytest.raises(ValueError, match="length"):
            beginnings(10_000, **wrong)


def test_a_copy_without_dropout_says_the_same_in_training_mode():
    poet = tiny(dropout=0.5).eval()
    policy, ids = without_dropout(poet).train(), as_ids([SPRING])
    assert torch.equal(policy(ids), poet(ids))
    policy.embedding.weight.data.zero_()
    assert poet.embedding.weight.abs().sum() > 0


def test_ids_stand_between_edges():
    ids = as_ids([SPRING, "春"])
    assert ids[1].tolist() == [edge(), tokenizer().encode("春")[0], *[edge()] * 24]
    assert ids[0, 0] == ids[0, -1] == edge() and tokenizer().decode(ids[0, 1:-1].tolist()) == SPRING


def test_distance_is_the_mean_log_ratio_of_poems_and_nothing_to_itself():
    policy, reference = tiny(0), tiny(1)
    written, _ = write(policy, [""], n=200, generator=torch.Generator().manual_seed(0))
    found = distance(policy, reference, written)
    with torch.no_grad():
        d = token_log_probs(policy(written.ids), written.ids) - token_log_probs(reference(written.ids), written.ids)
    sums = d.masked_fill(~is_target(written.is_answer), 0).sum(1)
    assert abs(found - float(sums.mean())) < 4 * float(sums.std()) / 200**0.5
    assert found > 1 and distance(policy, policy, written) == pytest.approx(0, abs=1e-4)


def test_the_zoo_s_poet_is_as_its_card_says_and_at_no_distance_from_itself():
    poet = without_dropout(zoo.load("poet"))
    found = examined(poet, poet, n=64)
    assert found["kl"] == pytest.approx(0, abs=1e-3)
    assert found["form"] > 0.9 and 0.4 < found["rhyme"] < 0.8 and found["copied"] < 0.05 and found["one end"] < 0.15
    assert -5.3 < found["held-out"] < -4.9


def test_log_probability_leaves_marks_and_edges_out():
    model = tiny()
    poem = str(poems("held-out")[0])
    ids = as_ids([poem])
    each = token_log_probs(model(ids), ids)[0]
    characters = [each[i].item() for i, token in enumerate(poem) if token not in "，。"]
    assert log_probability(model, n=1) == pytest.approx(sum(characters) / len(characters))


def test_poets_beside_each_other_go_on_from_the_same_lines_with_the_same_chance():
    one, other = tiny(0), tiny(1)
    rows = side_by_side([one, one, other], n=4, seed=3)
    begun = beginnings(4, split="held-out", seed=3)
    assert all(poem.startswith(line) for row, line in zip(rows, begun, strict=True) for poem in row)
    assert all(first == again for first, again, _ in rows) and any(first != last for first, _, last in rows)
    assert rows != side_by_side([one, one, other], n=4, seed=4)
