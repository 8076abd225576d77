"""C09b: the record task asks for what was told, its four designs are of one size, and none looks ahead."""

import pytest
import torch

from course_lib.chapters.ch05_kv_cache.experiments import c09b_quality as c09b


def test_the_answers_are_the_facts_of_the_keys_asked_for():
    records, asked, answers = c09b.draw(50, 4, torch.Generator().manual_seed(0))
    assert records.shape == (50, c09b.N_RECORDS, 5) and answers.shape == (50, c09b.N_ASKED, 4)
    for record, keys, facts in zip(records, asked, answers):
        told = {int(row[0]): row[1:] for row in record}
        assert len(told) == c09b.N_RECORDS
        for key, fact in zip(keys.tolist(), facts):
            assert torch.equal(told[key], fact)


@pytest.mark.parametrize("design", c09b.DESIGNS)
def test_blocks_are_of_one_size_and_readers_never_look_ahead(design):
    mha, config = c09b.config("MHA", 176, 1), c09b.evened_out(design, 1)
    assert abs(c09b.block_size(config) - c09b.block_size(mha)) < 200
    torch.manual_seed(0)
    reader = c09b.RecordReader(design, 4).requires_grad_(False)
    records, asked, _ = c09b.draw(3, 4, torch.Generator().manual_seed(0))
    changed = asked.clone()
    changed[:, 5:] = (asked[:, 5:] + 1) % c09b.N_RECORDS
    before, after = reader(records, asked), reader(records, changed)
    assert torch.equal(before[:, :5], after[:, :5])
    assert not torch.equal(before[:, 5:], after[:, 5:])
