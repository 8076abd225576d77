"""The table of one head's numbers shows what attention computes, in the row of the token that it belongs to."""

import re

import torch
from torch.nn.functional import scaled_dot_product_attention

from course_lib.chapters.ch08_gpt2.one_head import head_table


def test_weights_and_sum_are_those_of_attention():
    q, k, v = torch.randn(3, 4, 8, generator=torch.Generator().manual_seed(0)).unbind()
    table = head_table("<甲乙丙", q[-1], k, v, title="选读")
    rows = [re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr>.*?</tr>", table)][1:]
    assert [row[0] for row in rows] == ["&lt;", "甲", "乙", "丙"]
    weights = scaled_dot_product_attention(q[-1:], k, torch.eye(4), scale=8**-0.5)[0]
    assert [row[3] for row in rows] == [f"{weight:.2f}" for weight in weights]
    mixed = scaled_dot_product_attention(q[-1:], k, v)[0, :3]
    assert f"({', '.join(f'{x:.2f}' for x in mixed)}, …)".replace("-", "−") in table.split("加起来：")[1]
    assert "√8" in table and table.startswith("<details") and " open" not in table
