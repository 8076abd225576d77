"""SFT and reward models against TRL and transformers: what is marked, the loss, and whole trainings step by step.

TRL is imported where it is used: that alone takes seconds.
"""

import json
from collections import defaultdict
from functools import partial
from pathlib import Path
from unittest.mock import MagicMock

import pytest
import torch
from tokenizers import ByteLevelBPETokenizer, Tokenizer
from torch import nn
from transformers import GPT2Config as TheirGPT2Config
from transformers import GPT2ForSequenceClassification, GPT2LMHeadModel, PreTrainedTokenizerFast

from course_lib.foundations.gpt2_bpe import GPT2Tokenizer
from course_lib.hub import load_gpt2
from course_lib.hub.gpt2 import key_map
from course_lib.posttraining.chat import END, START, Chat
from course_lib.posttraining.log_probs import entropies, token_log_probs
from course_lib.posttraining.packing import best_fit, packed, packed_logits, places
from course_lib.posttraining.reward_model import RewardModel, reward_loss
from course_lib.posttraining.sft import n_targets, padded, sft_loss, shortened
from course_lib.training.loop import warmup_cosine
from course_lib.training.step import Settings, Update

TEMPLATE = """{%- for message in messages -%}
{{- '<|im_start|>' + message.role + '\n' -}}
{%- if message.role == 'assistant' -%}
{%- generation -%}{{- message.content + '<|im_end|>' -}}{%- endgeneration -%}
{%- else -%}{{- message.content + '<|im_end|>' -}}{%- endif -%}
{{- '\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}"""
SYSTEM = {"role": "system", "content": "答要短。"}


def talk(*contents: str, system: bool = False) -> list[dict[str, str]]:
    roles = ("user", "assistant") * len(contents)
    turns = [{"role": role, "content": content} for role, content in zip(roles, contents)]
    return [SYSTEM, *turns] if system else turns


TALKS = [
    talk("what is blue", "the sky"),
    talk("红苹果几个", "三个。\n\n都红。", "then add two", "five", system=True),
    talk("say it again and again", "again\nand again"),
    talk("one", "1", "two", "2", "three", "3"),
    talk("  spaces  before", "🍎 and  spaces ", system=True),
    talk("hm", "ok"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """vocab.json and merges.txt, in which both signs are tokens."""
    where = tmp_path_factory.mktemp("tokenizer")
    theirs = ByteLevelBPETokenizer()
    words = [message["content"] for each in TALKS for message in each] * 4 + ["user\n", "assistant\n", "system\n"] * 9
    theirs.train_from_iterator(words, vocab_size=330, show_progress=False)
    theirs.save_model(str(where))
    theirs.add_special_tokens([START, END])
    Path(where, "vocab.json").write_text(json.dumps(theirs.get_vocab()), encoding="utf-8")
    theirs.save(str(where / "whole.json"))
    return where


@pytest.fixture
def theirs(folder) -> PreTrainedTokenizerFast:
    """The end of a message also fills up shorter rows: a real end must be learned all the same."""
    inner = Tokenizer.from_file(str(folder / "whole.json"))
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token=END, pad_token=END, chat_template=TEMPLATE)


@pytest.fixture
def chat(folder) -> Chat:
    return Chat.of(GPT2Tokenizer.load(folder, specials=[START, END]))


@pytest.mark.parametrize("messages", TALKS)
def test_ids_and_marks_are_those_of_transformers_template(theirs, chat, messages):
    whole = theirs.apply_chat_template(messages, return_dict=True, return_assistant_tokens_mask=True)
    ids, is_answer = chat.render(messages)
    assert ids == whole["input_ids"] and [int(mine) for mine in is_answer] == whole["assistant_masks"]
    prompt = theirs.apply_chat_template(messages[:-1], add_generation_prompt=True, return_dict=True)
    assert chat.prompt(messages[:-1]) == prompt["input_ids"]


@pytest.mark.parametrize("messages", [each for each in TALKS if each[0] is SYSTEM])
def test_qwens_released_template_writes_the_same_and_also_marks_line_breaks(theirs, chat, messages):
    """Theirs, as TRL ships it for training, counts the line breaks on both sides of an answer as the assistant's."""
    import trl

    template = Path(trl.__file__).parent / "chat_templates" / "qwen2_5_training.jinja"
    whole = theirs.apply_chat_template(
        messages, chat_template=template.read_text(), return_dict=True, return_assistant_tokens_mask=True
    )
    ids, is_answer = chat.render(messages)
    assert ids == whole["input_ids"]
    only_theirs = [i for i, ours, other in zip(ids, is_answer, whole["assistant_masks"]) if other and not ours]
    assert all(whole["assistant_masks"][i] for i, ours in enumerate(is_answer) if ours)
    assert only_theirs == 2 * chat.plain("\n") * sum(m["role"] == "assistant" for m in messages)


def sizes(theirs) -> TheirGPT2Config:
    numbers = dict(n_embd=24, n_layer=2, n_head=3, n_positions=64, embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0)
    return TheirGPT2Config(vocab_size=len(theirs), bos_token_id=0, eos_token_id=1, num_labels=1, **numbers)


def scrambled(model: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.15)
    return model.double()


STEPS, LR = 5, 1e-2
SETTINGS = Settings(steps=STEPS, lr=LR, weight_decay=0.0, accumulate=3)


def arguments(tmp_path, config, **more):
    """Batches of six in thirds, computed as plainly as they can be."""
    plain = dict(report_to=[], disable_tqdm=True, save_strategy="no", logging_strategy="no", use_cpu=True, bf16=False)
    plain |= dict(gradient_checkpointing=False, per_device_train_batch_size=2, gradient_accumulation_steps=3)
    return config(output_dir=str(tmp_path / "out"), max_steps=STEPS, **plain, **more)


def prepared(trainer, model, args, columns, tokenizer):
    """TRL's trainer with our optimizer's numbers; `.losses` keeps the loss of every step, summed over its thirds."""
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()

    class Watched(trainer):
        losses = ()

        def training_step(self, *more):
            loss = super().training_step(*more)
            self.losses = (*self.losses, float(loss))
            return loss

    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, betas=(0.9, 0.95), weight_decay=0.0)
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: warmup_cosine(step, STEPS))
    data = Dataset.from_dict(columns)
    return Watched(model=model, args=args, train_dataset=data, processing_class=tokenizer, optimizers=(optimizer, rate))


def every_step_and_weight_agrees(update, batch, ours, theirs, losses, folder, agree) -> None:
    """ours: the GPT-2 in what `update` trains. theirs: that in what TRL trained, with losses of thirds."""
    for step in range(STEPS):
        assert update(batch)[0] == pytest.approx(sum(losses[3 * step : 3 * step + 3]), abs=1e-10)
    theirs.save_pretrained(folder)
    after = dict(load_gpt2(folder, dtype=torch.float64).named_parameters())
    for name, parameter in ours.named_parameters():
        agree(parameter, after.pop(name))
    assert not after and len(losses) == 3 * STEPS


def test_five_steps_of_sft_are_trls(theirs, chat, float64_reference, agree, tmp_path):
    """In thirds of a batch of unlike answers: losses of all steps and all weights after them."""
    from trl import SFTConfig, SFTTrainer

    reference = scrambled(GPT2LMHeadModel(sizes(theirs)))
    reference.save_pretrained(tmp_path)
    ours = load_gpt2(tmp_path, dtype=torch.float64)
    with float64_reference():
        args = arguments(tmp_path, SFTConfig, assistant_only_loss=True)
        trainer = prepared(SFTTrainer, reference, args, {"messages": TALKS}, theirs)
        trainer.train()
    batch = padded([chat.render(messages) for messages in TALKS], chat.end)
    update = Update(ours, SETTINGS, loss=sft_loss, weigh=n_targets)
    every_step_and_weight_agrees(update, batch, ours, reference, trainer.losses, tmp_path / "after", agree)


@pytest.mark.parametrize("longest", [12, 20, 400])
def test_cut_texts_keep_the_marks_that_trl_keeps(theirs, chat, tmp_path, longest):
    """Texts of which no word of an answer is left are dropped there and refused here."""
    from trl import SFTConfig, SFTTrainer

    args = arguments(tmp_path, SFTConfig, assistant_only_loss=True, max_length=longest)
    trainer = prepared(SFTTrainer, GPT2LMHeadModel(sizes(theirs)), args, {"messages": TALKS}, theirs)
    kept = []
    for messages in TALKS:
        text = chat.render(messages)
        if any(text.is_answer[:longest]):
            kept.append(shortened(text, longest))
        else:
            with pytest.raises(ValueError, match="no word of an answer is left"):
                shortened(text, longest)
    assert (len(kept) < len(TALKS)) == (longest < 400)
    assert [text.ids for text in kept] == list(trainer.train_dataset["input_ids"])
    batch = padded(kept, chat.end)
    theirs_batch = trainer.data_collator(list(trainer.train_dataset))
    assert torch.equal(batch["ids"], theirs_batch["input_ids"])
    assert torch.equal(batch["is_token"], theirs_batch["attention_mask"].bool())
    assert torch.equal(batch["is_answer"], theirs_batch["labels"] != -100)


def test_an_answer_to_a_prompt_has_the_marks_of_trls_completions(theirs, chat, tmp_path):
    """The last answer alone; theirs goes on to the line break behind it."""
    from trl import SFTConfig, SFTTrainer

    columns = {"prompt": [talk[:-1] for talk in TALKS], "completion": [talk[-1:] for talk in TALKS]}
    args = arguments(tmp_path, SFTConfig, assistant_only_loss=True, completion_only_loss=True)
    data = prepared(SFTTrainer, GPT2LMHeadModel(sizes(theirs)), args, columns, theirs).train_dataset
    for messages, ids, labels in zip(TALKS, data["input_ids"], data["labels"]):
        ours = chat.answered(messages[:-1], messages[-1]["content"])
        assert ids == ours.ids + chat.plain("\n")
        assert labels == [i if mine else -100 for i, mine in zip(ours.ids, ours.is_answer)] + [-100]


@pytest.mark.parametrize("room", [40, 64])
def test_packed_rows_and_places_are_trls_and_so_is_what_a_model_reads_in_them(
    theirs, chat, float64_reference, agree, tmp_path, room
):
    """Which texts share a row may differ among texts of one length; how full the rows are does not. transformers finds
    the texts of a row by their positions."""
    from datasets import Dataset
    from trl import pack_dataset
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    texts = [chat.render(messages) for messages in TALKS * 2 if len(chat.render(messages).ids) <= room]
    rows = pack_dataset(Dataset.from_dict({"input_ids": [text.ids for text in texts]}), room)
    found = best_fit([len(text.ids) for text in texts], room)
    full = sorted(sum(len(texts[i].ids) for i in row) for row in found)
    assert full == sorted(len(row) for row in rows["input_ids"]) and max(map(len, found)) > 1
    batch = packed(texts, room, pad=0)
    collate = DataCollatorForLanguageModeling(pad_token_id=0, return_position_ids=True)
    for row, ids, text_of in zip(found, batch["ids"], batch["text_of"]):
        lengths = [len(texts[i].ids) for i in row]
        theirs_row = collate([{"input_ids": ids[: sum(lengths)].tolist(), "seq_lengths": lengths}])
        assert torch.equal(places(text_of[None])[:, : sum(lengths)], theirs_row["position_ids"])
    reference = scrambled(GPT2LMHeadModel(sizes(theirs)))
    reference.save_pretrained(tmp_path)
    ours = load_gpt2(tmp_path, dtype=torch.float64)
    with float64_reference():
        expected = reference(input_ids=batch["ids"], position_ids=places(batch["text_of"]), use_cache=False).logits
    agree(packed_logits(ours, batch["ids"], batch["text_of"]), expected)


def test_log_probs_and_entropies_are_trls(agree):
    from trl.trainer.utils import entropy_from_logits, selective_log_softmax

    chance = torch.Generator().manual_seed(0)
    logits = 4 * torch.randn(5, 7, 31, dtype=torch.float64, generator=chance).requires_grad_()
    ids, weights = torch.randint(31, (5, 7), generator=chance), torch.randn(5, 6, generator=chance).double()
    for ours, reference in (
        (token_log_probs(logits, ids), selective_log_softmax(logits[:, :-1], ids[:, 1:])),
        (entropies(logits)[:, :-1], entropy_from_logits(logits)[:, :-1]),
    ):
        agree(ours, reference)
        agree(*(torch.autograd.grad((each * weights).sum(), logits)[0] for each in (ours, reference)))


CHOSEN = [TALKS[0], TALKS[2], TALKS[3], TALKS[5], talk("say it", "it"), TALKS[1]]
REJECTED = [talk(*rest) for rest in (["what is blue", "a long long long answer"], ["again", "no"], ["one", "2"])]
REJECTED += [talk("hm", "so so so"), talk("say it", "it it\nit"), talk("红苹果几个", "三")]
MARGINS = [0.5, 0.0, 1.0, 0.25, 2.0, 0.125]


def judge(theirs, folder) -> tuple[RewardModel, nn.Module]:
    """Ours and theirs with the same weights, in float64. Theirs knows padding by its id, so it must be no other's."""
    reference = scrambled(GPT2ForSequenceClassification(sizes(theirs)))
    reference.transformer.save_pretrained(folder)
    ours = RewardModel(load_gpt2(folder, dtype=torch.float64)).double()
    ours.head.load_state_dict(reference.score.state_dict())
    reference.config.pad_token_id = theirs.pad_token_id
    return ours, reference


def compared(chat, margins: bool) -> dict:
    """Theirs reads the score at a text's last token, the line break behind the answer; so ours is told the same."""
    batch = {"margin": torch.tensor(MARGINS, dtype=torch.float64)} if margins else {}
    for name, talks in (("chosen", CHOSEN), ("rejected", REJECTED)):
        part = padded([chat.render(messages) for messages in talks], 0)
        batch[name] = part | {"is_answer": part["is_token"]}
    return batch


@pytest.mark.parametrize("centring", [None, 0.01, 0.7])
@pytest.mark.parametrize("margins", [False, True])
def test_reward_loss_figures_and_every_gradient_are_trls(
    theirs, chat, float64_reference, agree, tmp_path, centring, margins
):
    from trl import RewardTrainer
    from trl.trainer.reward_trainer import DataCollatorForPreference

    ours, reference = judge(theirs, tmp_path / "start")
    loss, figures = reward_loss(ours, compared(chat, margins), centring=centring or 0.0)
    loss.backward()
    seen = MagicMock()  # stands for the trainer
    seen.args.center_rewards_coefficient, seen._metrics = centring, {"train": defaultdict(list)}
    seen.accelerator.gather = seen.accelerator.gather_for_metrics = lambda x: x
    seen._total_train_tokens = 0
    with float64_reference():
        inputs = DataCollatorForPreference(pad_token_id=chat.end)(as_trl_has_them(chat, margins))
        expected = RewardTrainer.compute_loss(seen, reference, inputs)
        expected.backward()
    agree(loss, expected)
    theirs_figures = {name: values[0] for name, values in seen._metrics["train"].items()}
    assert float(figures["accuracy"]) == pytest.approx(theirs_figures["accuracy"], abs=1e-6)
    assert 0 < theirs_figures["accuracy"] < 1
    assert float(figures["gap"]) == pytest.approx(theirs_figures["margin"], abs=1e-10)
    assert float(figures["mean"]) == pytest.approx(theirs_figures["mean_reward"], abs=1e-10)
    agree(ours.head.weight.grad, reference.score.weight.grad)
    gradients = {name: p.grad for name, p in reference.transformer.named_parameters()}
    keys = key_map(ours.body.config.n_layers)
    for name, parameter in ours.body.named_parameters():
        agree(parameter.grad, keys.pop(name).made(gradients))
    assert not keys


def as_trl_has_them(chat, margins: bool) -> list[dict]:
    pairs = zip(CHOSEN, REJECTED, MARGINS)
    rows = [{"chosen_ids": chat.render(a).ids, "rejected_ids": chat.render(b).ids, "margin": m} for a, b, m in pairs]
    return rows if margins else [{name: row[name] for name in ("chosen_ids", "rejected_ids")} for row in rows]


def test_five_steps_of_a_reward_model_are_trls(theirs, chat, float64_reference, agree, tmp_path):
    from trl import RewardConfig, RewardTrainer

    ours, reference = judge(theirs, tmp_path / "start")
    rows = as_trl_has_them(chat, margins=True)
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    with float64_reference():
        args = arguments(tmp_path, RewardConfig, center_rewards_coefficient=0.01)
        trainer = prepared(RewardTrainer, reference, args, columns, theirs)
        trainer.train()
    update = Update(ours, SETTINGS, loss=partial(reward_loss, centring=0.01))
    batch, body = compared(chat, margins=True), reference.transformer
    every_step_and_weight_agrees(update, batch, ours.body, body, trainer.losses, tmp_path / "after", agree)
    agree(ours.head.weight, reference.score.weight)


def test_where_padding_is_known_by_its_id_an_answers_end_is_not_read(theirs, chat, float64_reference, agree, tmp_path):
    """Answers that stop at their end, as a model writes them, and the end pads: theirs reads one word too early."""
    ours, reference = judge(theirs, tmp_path)
    batch = padded([chat.answered(talk[:-1], talk[-1]["content"]) for talk in TALKS], chat.end)
    before_the_end = batch["is_answer"] & (batch["ids"] != chat.end)
    with float64_reference():
        scores = reference(input_ids=batch["ids"], attention_mask=batch["is_token"].long()).logits[:, 0]
    agree(ours(batch["ids"], before_the_end, batch["is_token"]), scores)
    assert ((ours(**batch) - scores).abs() > 1e-3).all()
