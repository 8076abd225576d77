"""Laws of the cache: whatever the design, what has been read is the same whether it was read at once or in pieces."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib.chapters.ch05_kv_cache.cache_sizes import GroupedSizes, LatentSizes, bytes_per_token
from course_lib.models.deepseek import DeepSeekConfig
from course_lib.models.llama import Llama, LlamaConfig, LlamaReader

V = 13
SMALL = dict(n_vocab=V, d_model=16, n_heads=4, d_hidden=24)
CONFIGS = {
    "MHA": LlamaConfig(**SMALL, n_kv_heads=4),
    "GQA": LlamaConfig(**SMALL, n_kv_heads=2),
    "MQA": LlamaConfig(**SMALL, n_kv_heads=1),
    "MLA": DeepSeekConfig(**SMALL, d_latent=6, d_head=4, d_rope=2, d_value=4),
}
DESIGNS = st.sampled_from(sorted(CONFIGS))
SEEDS = st.integers(0, 999)
PIECES = st.lists(st.integers(1, 4), min_size=1, max_size=4)
LENGTHS = st.lists(st.integers(1, 5), min_size=1, max_size=4)


def random_model(design: str, seed: int) -> Llama:
    torch.manual_seed(seed)
    return Llama(CONFIGS[design]).double().requires_grad_(False)


def close(one: torch.Tensor, other: torch.Tensor) -> None:
    torch.testing.assert_close(one, other, atol=1e-10, rtol=0)


@given(DESIGNS, SEEDS, PIECES)
def test_reading_in_pieces_is_reading_at_once(design, seed, pieces):
    model = random_model(design, seed)
    ids = torch.randint(V, (2, sum(pieces)))
    caches = model.new_caches(sum(pieces))
    parts = [model(part, caches=caches) for part in ids.split(pieces, dim=1)]
    close(torch.cat(parts, dim=1), model(ids))


@given(DESIGNS, SEEDS, LENGTHS, st.integers(1, 4))
def test_a_text_in_a_padded_batch_is_what_it_is_alone(design, seed, lengths, n_more):
    """Prompts of different lengths, padded on the left, then one token at a time through the cache."""
    model = random_model(design, seed)
    longest = max(lengths)
    is_token = torch.arange(longest) >= longest - torch.tensor(lengths)[:, None]
    prompt, more = torch.randint(V, (len(lengths), longest)), torch.randint(V, (len(lengths), n_more))
    reader = LlamaReader(model, longest + n_more, is_token)
    steps = [reader(prompt), *(reader(token) for token in more.split(1, dim=1))]
    for row, length in enumerate(lengths):
        text = torch.cat([prompt[row, longest - length :], more[row]])[None]
        close(torch.stack([step[row] for step in steps]), model(text)[0, length - 1 :])


@given(DESIGNS, SEEDS, st.integers(1, 5), st.integers(1, 4), st.integers(1, 4))
def test_what_was_cropped_might_never_have_been_read(design, seed, kept, wrong, right):
    model = random_model(design, seed)
    start, mistake, go_on = (torch.randint(V, (2, n)) for n in (kept, wrong, right))
    caches = model.new_caches(kept + max(wrong, right))
    model(start, caches=caches)
    model(mistake, caches=caches)
    for cache in caches:
        cache.crop(kept)
    close(model(go_on, caches=caches), model(torch.cat([start, go_on], dim=1))[:, kept:])


@given(DESIGNS, SEEDS, LENGTHS, st.data())
def test_a_reordered_row_goes_on_as_the_row_it_copies(design, seed, lengths, data):
    model = random_model(design, seed)
    rows = torch.tensor(data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=5)))
    longest = max(lengths)
    is_token = torch.arange(longest) >= longest - torch.tensor(lengths)[:, None]
    prompt, more = torch.randint(V, (len(lengths), longest)), torch.randint(V, (len(rows), 1))
    reader = LlamaReader(model, longest + 1, is_token)
    reader(prompt)
    reader.reorder(rows)
    fresh = LlamaReader(model, longest + 1, is_token[rows])
    fresh(prompt[rows])
    close(reader(more), fresh(more))


@given(DESIGNS, st.integers(1, 4), st.integers(1, 6), st.integers(0, 6), st.sampled_from(["fp32", "bf16"]))
def test_memory_is_the_formula_times_rows_and_capacity(design, batch, length, room, dtype):
    config = CONFIGS[design]
    kind = LatentSizes if design == "MLA" else GroupedSizes
    sizes = kind(**{name: getattr(config, name) for name in kind.__dataclass_fields__})
    model = random_model(design, 0).to({"fp32": torch.float32, "bf16": torch.bfloat16}[dtype])
    caches = model.new_caches(length + room)
    model(torch.randint(V, (batch, length)), caches=caches)
    total = sum(buffer.untyped_storage().nbytes() for cache in caches for buffer in cache.buffers)
    assert total == batch * (length + room) * bytes_per_token(sizes, dtype)
