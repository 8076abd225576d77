import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from course_lib.decoding.generation import greedy
from course_lib.foundations.bpe import ByteBPE
from course_lib.foundations.gpt2_bpe import GPT2Tokenizer
from course_lib.foundations.tokenizer import CharTokenizer
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.models.llama import LlamaReader
from course_lib.posttraining.chat import END, ROLES, START, Chat, Rendered, chatml
from course_lib.posttraining.log_probs import is_target, masked_mean, token_log_probs
from course_lib.posttraining.sft import n_targets, padded, sft_loss, shortened
from course_lib.training.step import Settings, Update

MERGES = [(b"\n", b"\n"), (b"u", b"s"), (b"e", b"r"), (b"us", b"er"), (b" ", b"a"), (b"<", b"|")]
VOCAB = {token: i for i, token in enumerate(ByteBPE(MERGES).vocab)}
TOKENIZER = GPT2Tokenizer(MERGES, VOCAB, {START: len(VOCAB), END: len(VOCAB) + 1})
CHAT = Chat.of(TOKENIZER)
SEEDS = st.integers(0, 2**32)
CONTENTS = st.text(alphabet="\n au<|狗", max_size=6) | st.sampled_from([END, f"a{START}user\nb", "", "\n\n"])
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(ROLES), "content": CONTENTS}), min_size=1, max_size=5
)
V, CONTEXT = 9, 8
torch.manual_seed(0)
MODEL = GPT2(GPT2Config(n_vocab=V, context=CONTEXT, d_model=8, n_heads=2)).double()


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)


def said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


@given(MESSAGES)
def test_the_ids_are_those_of_the_text_that_readers_see(messages):
    ids, is_answer = CHAT.render(messages)
    assert len(ids) == len(is_answer) and TOKENIZER.decode(ids) == chatml(messages)


@given(MESSAGES)
def test_the_assistants_words_and_ends_are_marked_and_nothing_else(messages):
    ids, is_answer = CHAT.render(messages)
    marked = [i for i, mine in zip(ids, is_answer) if mine]
    answers = [m["content"] for m in messages if m["role"] == "assistant"]
    assert TOKENIZER.decode(marked) == "".join(answer + END for answer in answers)
    assert marked.count(CHAT.end) == len(answers) and CHAT.start not in marked


@given(MESSAGES)
def test_a_prompt_is_the_beginning_of_the_whole_text_and_the_answer_follows(messages):
    """So training saw what generation begins with, token by token."""
    ids, is_answer = CHAT.render(messages)
    for k in range(1, len(messages)):
        if messages[k]["role"] == "assistant":
            prompt = CHAT.prompt(messages[:k])
            answer = [*CHAT.plain(messages[k]["content"]), CHAT.end]
            end = len(prompt) + len(answer)
            assert ids[:end] == prompt + answer
            assert not is_answer[len(prompt) - 1] and all(is_answer[len(prompt) : end]) and not is_answer[end]


@given(MESSAGES, CONTENTS)
def test_an_answer_to_a_prompt_is_the_last_of_the_conversation_that_it_makes(messages, answer):
    text, whole = CHAT.answered(messages, answer), CHAT.render([*messages, said("assistant", answer)])
    n = len(text.ids)
    assert whole.ids[:n] == text.ids and text.ids[-1] == CHAT.end and not any(whole.is_answer[n:])
    first = text.is_answer.index(True)
    assert text.is_answer[first:] == whole.is_answer[first:n] and text.ids[:first] == CHAT.prompt(messages)


def test_encoded_at_once_the_header_would_reach_into_the_answer():
    messages = [said("user", "a"), said("assistant", "\n")]
    at_once = TOKENIZER.encode(chatml(messages))
    prompt = CHAT.prompt(messages[:1])
    assert CHAT.render(messages).ids[: len(prompt)] == prompt != at_once[: len(prompt)]


@given(MESSAGES)
def test_no_message_can_speak_in_anothers_name(messages):
    """Signs written in a message are letters."""
    ids, _ = CHAT.render(messages)
    assert ids.count(CHAT.start) == ids.count(CHAT.end) == len(messages)


def texts(seed: int, n: int) -> list[Rendered]:
    """Conversations of 2 to CONTEXT tokens with at least one word to be learned."""
    chance = torch.Generator().manual_seed(seed)
    made = []
    for _ in range(n):
        length = int(torch.randint(2, CONTEXT + 1, (), generator=chance))
        ids, marks = torch.randint(V, (length,), generator=chance), torch.rand(length, generator=chance) < 0.4
        marks[int(torch.randint(1, length, (), generator=chance))] = True
        made.append(Rendered(ids.tolist(), marks.tolist()))
    return made


def gradient(loss: torch.Tensor) -> torch.Tensor:
    return torch.cat([each.flatten() for each in torch.autograd.grad(loss, list(MODEL.parameters()))])


@settings(max_examples=25)
@given(SEEDS, st.integers(1, 5), st.integers(0, V - 1))
def test_the_loss_is_that_of_each_text_alone_whatever_pads_them(seed, n, pad):
    """Value and gradients; no batch, no padding, no mask: a mean over all answers' words, not of the texts' means."""
    batch, losses = padded(texts(seed, n), pad), []
    for ids, marks in texts(seed, n):
        logits = MODEL(torch.tensor([ids]))[0]
        labels = torch.tensor([i if mine else -100 for i, mine in zip(ids, marks)])
        losses.append(cross_entropy(logits[:-1], labels[1:], reduction="none")[torch.tensor(marks[1:])])
    expected, found = torch.cat(losses).mean(), sft_loss(MODEL, batch)
    close(found, expected)
    close(gradient(found), gradient(expected))
    assert n_targets(batch) == sum(map(len, losses))
    left = {
        name: torch.stack([row.roll(int((~there).sum())) for row, there in zip(part, batch["is_token"])])
        for name, part in batch.items()
    }
    close(sft_loss(MODEL, left), expected)


@given(SEEDS, st.integers(1, 4))
def test_only_the_places_before_the_assistants_words_are_taught(seed, n):
    batch = padded(texts(seed, n), 0)
    logits = torch.zeros(*batch["ids"].shape, V, dtype=torch.float64, requires_grad=True)
    masked_mean(-token_log_probs(logits, batch["ids"]), is_target(batch["is_answer"])).backward()
    taught = logits.grad.abs().sum(-1) > 0
    assert torch.equal(taught[:, :-1], batch["is_answer"][:, 1:]) and not taught[:, -1].any()
    for row, (_, marks) in zip(taught, texts(seed, n)):
        assert row[: len(marks) - 1].tolist() == marks[1:] and not row[len(marks) - 1 :].any()


@settings(max_examples=10)
@given(SEEDS, st.integers(2, 3))
def test_pieces_of_a_batch_add_up_to_it_only_when_weighed(seed, accumulate):
    batch = padded(texts(seed, 6), 0)
    expected = gradient(sft_loss(MODEL, batch))
    for weigh, right in ((n_targets, True), (None, False)):
        update = Update(MODEL, Settings(steps=1, lr=0.1, accumulate=accumulate), loss=sft_loss, weigh=weigh)
        update.gradient(batch)
        found = torch.cat([p.grad.flatten() for p in MODEL.parameters()])
        MODEL.zero_grad()
        counts = {n_targets({"is_answer": part}) for part in batch["is_answer"].chunk(accumulate)}
        if right:
            close(found, expected)
        elif len(counts) > 1:
            assert (found - expected).abs().max() > 1e-6


@given(SEEDS, st.integers(1, CONTEXT))
def test_a_text_cut_short_keeps_its_beginning(seed, longest):
    (text,) = texts(seed, 1)
    if not any(text.is_answer[1:longest]):
        with pytest.raises(ValueError, match="no word of an answer is left"):
            shortened(text, longest)
        return
    ids, is_answer = shortened(text, longest)
    assert ids == text.ids[:longest] and is_answer == text.is_answer[:longest]


def test_it_learns_to_answer_and_to_stop_and_without_the_end_it_does_not_stop():
    """pad is the end. Marks made from `ids != pad` would hide the real end as well."""
    characters = CharTokenizer("\n<>adeinrsuty狗叫汪猫喵")
    chat = Chat(characters.encode, characters.encode("<")[0], characters.encode(">")[0])
    pets = [("狗", "汪汪汪"), ("猫", "喵")]
    conversations = [chat.render([said("user", pet), said("assistant", sound)]) for pet, sound in pets]
    batch = padded(conversations, chat.end)
    blind = batch | {"is_answer": batch["is_answer"] & (batch["ids"] != chat.end)}
    for given_batch, stops in ((batch, True), (blind, False)):
        torch.manual_seed(0)
        model = GPT2(GPT2Config(n_vocab=characters.n_vocab, context=48, d_model=32, n_layers=1))
        update = Update(model, Settings(steps=60, lr=1e-2), loss=sft_loss, weigh=n_targets)
        losses = [update(given_batch)[0] for _ in range(60)]
        assert losses[-1] < 0.05
        for pet, sound in pets:
            prompt = torch.tensor([chat.prompt([said("user", pet)])])
            ids = greedy(LlamaReader(model.eval(), 48), prompt, 12, end=chat.end)[0].tolist()
            answer = characters.decode(ids)
            assert answer.startswith(sound) and (answer == sound + ">") == stops
