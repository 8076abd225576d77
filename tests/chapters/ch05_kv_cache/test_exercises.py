"""Chapter 05's exercises: any correct way passes, and the values agree with the rooms."""

import torch

from course_lib.chapters.ch05_kv_cache.cache_sizes import REAL_MODELS, GroupedSizes, bytes_per_token, cache_gib
from course_lib.course.exercises import get_exercise, judge
from course_lib.foundations.gqa import attend_in_groups
from course_lib.foundations.rope import angles, rotate_interleaved


def test_the_bytes_in_the_head_are_those_of_the_room():
    sizes = GroupedSizes(n_layers=10, d_model=1200, n_heads=12, n_kv_heads=3, d_head=100)
    assert bytes_per_token(sizes, "fp32") == get_exercise("05-cache-1").solution


def test_the_bill_of_mla_is_that_of_the_released_models():
    bill = get_exercise("05-cache-2").solution
    for name in ("DeepSeek-V2", "DeepSeek-V3"):
        s = REAL_MODELS[name].sizes
        assert bill(s.n_layers, s.n_heads, s.d_latent, s.d_rope, s.d_head, 2) == bytes_per_token(s)


def test_the_number_read_off_the_figure():
    one = cache_gib(REAL_MODELS["Llama-3-8B"].sizes, n_tokens=32768)
    assert one == 4
    assert (96 - 16) // one == get_exercise("05-cache-3").solution


def test_every_wrong_number_has_one_cause():
    for name in ("05-cache-1", "05-cache-3"):
        answers = [mistake.answer for mistake in get_exercise(name).mistakes]
        assert len({*answers, get_exercise(name).solution}) == len(answers) + 1
    rows = {"mha_row": 16, "mqa_row": 0.5, "fp8": 2, "point_of_eight": 32}
    told = {mistake.name: mistake.answer for mistake in get_exercise("05-cache-3").mistakes}
    assert {name: (96 - 16) // size for name, size in rows.items()} == {name: told[name] for name in rows}
    assert judge(get_exercise("05-cache-3"), 4).mistake == "size_of_one"


def test_a_step_by_repeating_the_groups_passes():
    def one_step(q, k_new, v_new, k_old, v_old):
        P = q.shape[0] // k_new.shape[0]
        k = torch.cat([k_old, k_new[:, None]], 1).repeat_interleave(P, 0)
        v = torch.cat([v_old, v_new[:, None]], 1).repeat_interleave(P, 0)
        weights = (torch.einsum("hd,hsd->hs", q, k) / q.shape[-1] ** 0.5).softmax(-1)
        return torch.einsum("hs,hsd->hd", weights, v)

    assert judge(get_exercise("05-cache-4"), one_step).passed


def test_the_step_is_the_last_row_of_the_full_pass():
    torch.manual_seed(0)
    q, k, v = torch.randn(1, 4, 5, 6).double(), torch.randn(1, 2, 5, 6).double(), torch.randn(1, 2, 5, 6).double()
    full = attend_in_groups(q, k, v)[0, :, -1]
    step = get_exercise("05-cache-4").solution(q[0, :, -1], k[0, :, -1], v[0, :, -1], k[0, :, :-1], v[0, :, :-1])
    torch.testing.assert_close(step, full)


def test_the_lost_term_by_turning_both_passes():
    def lost(q, k, m, n, freqs):
        turned_q, turned_k = (rotate_interleaved(x, angles(torch.tensor(p), freqs)) for x, p in ((q, m), (k, n)))
        return turned_q @ turned_k - q @ k

    assert judge(get_exercise("05-cache-5"), lost).passed
