import pytest
import torch

from course_lib.chapters.ch05_kv_cache.cache_sizes import GroupedSizes, LatentSizes, bytes_per_token
from course_lib.decoding.generation import greedy
from course_lib.models.deepseek import DeepSeekConfig
from course_lib.models.llama import Llama, LlamaConfig, LlamaReader

V = 17
CONFIGS = {
    "MHA": LlamaConfig(n_vocab=V, n_kv_heads=4),
    "GQA": LlamaConfig(n_vocab=V, n_kv_heads=2),
    "MQA": LlamaConfig(n_vocab=V, n_kv_heads=1),
    "MLA": DeepSeekConfig(n_vocab=V),
    "MLA, query latent": DeepSeekConfig(n_vocab=V, d_query_latent=20),
}


@pytest.fixture(params=CONFIGS)
def model(request) -> Llama:
    torch.manual_seed(0)
    return Llama(CONFIGS[request.param]).double().requires_grad_(False)


def close(ours: torch.Tensor, reference: torch.Tensor) -> None:
    torch.testing.assert_close(ours, reference, atol=1e-10, rtol=0)


@pytest.mark.parametrize("pieces", [[1] * 12, [12], [7, 1, 1, 3]])
def test_cached_decoding_is_the_full_pass(model, pieces):
    ids = torch.randint(V, (3, 12))
    caches = model.new_caches(12)
    parts = [model(part, caches=caches) for part in ids.split(pieces, dim=1)]
    close(torch.cat(parts, dim=1), model(ids))


def test_texts_of_different_lengths_in_one_batch_are_what_they_are_alone(model):
    """Prompts of 6, 4 and 1 tokens, then 5 more each through the cache, against each text by itself without one."""
    lengths = torch.tensor([6, 4, 1])
    is_token = torch.arange(6) >= 6 - lengths[:, None]
    prompt, more = torch.randint(V, (3, 6)), torch.randint(V, (3, 5))
    reader = LlamaReader(model, 11, is_token)
    logits = [reader(prompt), *(reader(token) for token in more.split(1, dim=1))]
    for row, length in enumerate(lengths.tolist()):
        alone = model(torch.cat([prompt[row, 6 - length :], more[row]])[None])[0, length - 1 :]
        close(torch.stack([step[row] for step in logits]), alone)


def test_padding_on_the_right_is_not_read_either(model):
    ids = torch.randint(V, (2, 8))
    is_token = torch.arange(8) < torch.tensor([8, 5])[:, None]
    close(model(ids, is_token=is_token)[1, :5], model(ids[1:, :5])[0])


def test_what_stands_in_the_padding_does_not_matter(model):
    ids, is_token = torch.randint(V, (2, 8)), torch.arange(8) >= torch.tensor([0, 3])[:, None]
    other = torch.where(is_token, ids, (ids + 5) % V)
    assert torch.equal(model(ids, is_token=is_token)[is_token], model(other, is_token=is_token)[is_token])


def test_future_tokens_cannot_change_the_past(model):
    ids = torch.randint(V, (2, 10))
    changed = ids.clone()
    changed[:, 6] = (ids[:, 6] + 1) % V
    before, after = model(ids), model(changed)
    close(before[:, :6], after[:, :6])
    assert (before[:, 6:] - after[:, 6:]).abs().amax(-1).min() > 1e-6


def test_greedy_with_the_cache_is_greedy_without(model):
    prompt = torch.randint(V, (3, 4))
    text = prompt
    for _ in range(9):
        text = torch.cat([text, model(text)[:, -1:].argmax(-1)], dim=1)
    assert torch.equal(greedy(LlamaReader(model, 13), prompt, 9), text[:, 4:])


def test_a_reader_goes_on_with_the_rows_it_is_told(model):
    is_token = torch.arange(5) >= torch.tensor([0, 2, 4])[:, None]
    prompt, rows, token = torch.randint(V, (3, 5)), torch.tensor([2, 2, 0, 1]), torch.randint(V, (4, 1))
    reader = LlamaReader(model, 6, is_token)
    reader(prompt)
    reader.reorder(rows)
    fresh = LlamaReader(model, 6, is_token[rows])
    fresh(prompt[rows])
    close(reader(token), fresh(token))


def test_bytes_in_the_caches_are_those_of_the_formula(model):
    config = model.config
    if isinstance(config, LlamaConfig):
        sizes = GroupedSizes(
            n_layers=config.n_layers,
            d_model=config.d_model,
            n_heads=config.n_heads,
            n_kv_heads=config.n_kv_heads,
            d_head=config.d_head,
        )
    else:
        sizes = LatentSizes(
            n_layers=config.n_layers,
            d_model=config.d_model,
            n_heads=config.n_heads,
            d_latent=config.d_latent,
            d_rope=config.d_rope,
            d_head=config.d_head,
            d_value=config.d_value,
            d_query_latent=config.d_query_latent,
        )
    caches = model.to(torch.bfloat16).new_caches(10)
    model(torch.randint(V, (3, 4)), caches=caches)
    per_token = sum(cache.bytes_per_token for cache in caches)
    assert per_token == bytes_per_token(sizes, "bf16") == 2 * config.cached_numbers
    assert sum(buffer.untyped_storage().nbytes() for cache in caches for buffer in cache.buffers) == 3 * 10 * per_token
    attention = model.blocks[0].attention
    weights = sum(p.numel() for name, p in attention.named_parameters() if p.ndim == 2)
    assert sum(sizes.attention_weights.values()) == weights


def test_fresh_logits_are_small_and_every_parameter_learns(model):
    model.requires_grad_(True)
    logits = model(torch.randint(V, (8, 32)))
    assert 0.5 < logits.std() < 2
    logits.logsumexp(-1).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())


def test_full_caches_and_bad_masks_are_refused(model):
    reader = LlamaReader(model, 4)
    reader(torch.zeros(1, 3, dtype=torch.long))
    with pytest.raises(ValueError, match="holds 3 of 4 tokens and 2 more do not fit"):
        reader(torch.zeros(1, 2, dtype=torch.long))
    with pytest.raises(ValueError, match="row 1 of the prompts ends in padding; pad on the left"):
        LlamaReader(model, 4, torch.tensor([[True, True], [True, False]]))
    with pytest.raises(ValueError, match=r"is_token \(1, 2\) must be \(1, 3\)"):
        model(torch.zeros(1, 3, dtype=torch.long), is_token=torch.ones(1, 2, dtype=torch.bool))
    with pytest.raises(ValueError, match=f"vocabulary of {V}"):
        model(torch.full((1, 2), V))


def test_bad_sizes_are_refused():
    with pytest.raises(ValueError, match=r"n_kv_heads \(3\) must divide n_heads \(4\); try n_kv_heads=2"):
        LlamaConfig(n_vocab=V, n_kv_heads=3)
    with pytest.raises(ValueError, match="must divide d_model"):
        LlamaConfig(n_vocab=V, n_heads=5)
    with pytest.raises(ValueError, match=r"d_head \(3\) must be even"):
        LlamaConfig(n_vocab=V, d_model=12, n_heads=4)
