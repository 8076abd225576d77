"""PPO, DPO and GRPO against TRL 1.12: its losses, called with a stand-in for the trainer, and those passages of its
trainers that are no functions of their own, taken from the installed source as they stand."""

import ast
import inspect
import textwrap
from collections import defaultdict
from functools import partial
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
import torch

from course_lib.hub import load_gpt2
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.posttraining.dapo import dapo_loss, overlong_penalty
from course_lib.posttraining.dpo import answer_scores, dpo_loss, implicit_rewards, on_pairs
from course_lib.posttraining.dr_grpo import dr_advantages, dr_grpo_loss
from course_lib.posttraining.gae import gae, whiten
from course_lib.posttraining.grpo import group_advantages, grpo_loss, kl_penalty
from course_lib.posttraining.gspo import gspo_loss
from course_lib.posttraining.hinge import hinge_loss
from course_lib.posttraining.ipo import ipo_loss
from course_lib.posttraining.kl import k3, log_ratio
from course_lib.posttraining.label_noise import cautious_loss, robust_loss
from course_lib.posttraining.log_probs import row_means, token_log_probs
from course_lib.posttraining.ppo import clip_figures, judge, penalised_rewards, policy_loss, value_loss
from course_lib.training.loop import warmup_cosine
from course_lib.training.step import Settings, Update

B, G, N, V = 8, 4, 9, 13
LOW, HIGH, BETA = 0.2, 0.28, 0.04


@pytest.fixture(scope="module")
def trl():
    """Imported here, since it takes seconds."""
    import trl.experimental.ppo.ppo_trainer
    import trl.rewards
    import trl.trainer.dpo_trainer
    import trl.trainer.grpo_trainer

    return trl


@pytest.fixture(autouse=True)
def float64_throughout():
    """TRL divides counts by counts, n / (n - 1), which would be float32 among float64."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def accelerator() -> MagicMock:
    """One process, no devices."""
    found = MagicMock(num_processes=1, process_index=0, sync_gradients=True, device=torch.device("cpu"))
    found.gather = found.gather_for_metrics = lambda x: x
    found.reduce = lambda x, reduction="sum": x
    return found


def passage(method, first: str, last: str):
    """The statements of a method from the one that begins with `first` to the one that begins with `last`."""
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(method)))):
        for block in (getattr(node, "body", None), getattr(node, "orelse", None)):
            texts = [ast.unparse(each) for each in block] if isinstance(block, list) else []
            starts = [i for i, text in enumerate(texts) if text.startswith(first)]
            ends = [i for i, text in enumerate(texts) if text.startswith(last)]
            if starts and ends:
                return compile(ast.Module(block[starts[0] : ends[-1] + 1], []), method.__name__, "exec")
    raise LookupError(f"{method.__name__} has no block from {first!r} to {last!r}")


def same_gradients(ours, reference, inputs, agree) -> None:
    for one, other in zip(*(torch.autograd.grad(x, inputs, retain_graph=True) for x in (ours, reference))):
        agree(one, other)
        assert other.abs().max() > 0


# PPO

ARGS = SimpleNamespace(
    kl_coef=0.07, gamma=0.97, lam=0.9, whiten_rewards=False, temperature=1 - 1e-7, cliprange=0.2, cliprange_value=0.15,
    vf_coef=0.3, kl_estimator="k1",
)  # fmt: skip


def lengths(full: bool) -> torch.Tensor:
    """Of the answers in a row of N places."""
    return torch.full((B,), N) if full else torch.tensor([1, 2, 3, 9, 8, 7, 5, 4])


def ppo_rollout(trl, full: bool) -> dict:
    """What TRL's trainer holds after its passage on rewards and advantages."""
    module = trl.experimental.ppo.ppo_trainer
    held = vars(module) | dict(
        args=ARGS,
        responses=torch.zeros(B, N),
        sequence_lengths=lengths(full) - 1,
        logprobs=normal(1, B, N),
        ref_logprobs=normal(2, B, N),
        values=normal(3, B, N),
        scores=normal(4, B),
    )
    exec(passage(module.PPOTrainer.train, "response_idxs =", "advantages = torch.masked_fill"), held)
    return held


def test_rewards_advantages_and_returns_of_ppo(trl, agree):
    """Answers that fill their rows, so that there is no place after the last token."""
    theirs = ppo_rollout(trl, full=True)
    mask = torch.ones(B, N, dtype=torch.bool)
    given = dict(beta=ARGS.kl_coef, gamma=ARGS.gamma, lam=ARGS.lam)
    ours = judge(normal(4, B), normal(1, B, N), normal(2, B, N), normal(3, B, N), mask, **given)
    for name in ("rewards", "advantages", "returns"):
        agree(getattr(ours, name), theirs[name])


def test_where_room_is_left_trl_takes_one_state_more(trl, agree):
    """Its score comes one place after the last token, a state of its own with a value of its own. With a mask that is
    one longer for rewards, GAE and values, all numbers agree."""
    theirs = ppo_rollout(trl, full=False)
    mask, longer = (torch.arange(N) < lengths(False)[:, None] + extra for extra in (0, 1))
    old, reference, values = (
        each.masked_fill(~keep, 0)
        for each, keep in ((normal(1, B, N), mask), (normal(2, B, N), mask), (normal(3, B, N), longer))
    )
    rewards = penalised_rewards(normal(4, B), old, reference, longer, beta=ARGS.kl_coef)
    advantages = gae(rewards, values, longer, gamma=ARGS.gamma, lam=ARGS.lam)
    agree(rewards, theirs["rewards"])
    agree(advantages + values, theirs["returns"])
    agree(whiten(advantages, mask), theirs["advantages"])
    own = judge(normal(4, B), old, reference, values, mask, beta=ARGS.kl_coef, gamma=ARGS.gamma, lam=ARGS.lam)
    assert (own.advantages - theirs["advantages"]).abs().max() > 0.1  # the score then travels one step less


@pytest.mark.parametrize("full", [True, False])
def test_losses_of_ppo(trl, full, agree):
    module, held = trl.experimental.ppo.ppo_trainer, ppo_rollout(trl, full)
    ids = torch.randint(0, V, (B, N), generator=torch.Generator().manual_seed(0))
    logits, values = normal(5, B, N, V).requires_grad_(), normal(6, B, N).requires_grad_()
    moved = logits.log_softmax(-1).gather(2, ids[..., None])[..., 0]
    held |= vars(module) | dict(
        output=SimpleNamespace(logits=torch.cat([torch.zeros(B, 1, V), logits * 1, torch.zeros(B, 1, V)], 1)),
        vpred_temp=torch.cat([torch.zeros(B, 1), values, torch.zeros(B, 1)], 1)[..., None],
        context_length=2,
        micro_batch_inds=slice(None),
        mb_responses=ids,
        mb_advantage=held["advantages"],
        mb_logprobs=moved.detach() + 0.3 * normal(7, B, N),
        mb_return=held["returns"],
        mb_values=held["values"],
    )
    exec(passage(module.PPOTrainer.train, "logits = output.logits[:", "loss ="), held)
    mask, longer = ~held["padding_mask"], ~held["padding_mask_p1"]
    policy = policy_loss(moved, held["mb_logprobs"], held["advantages"], mask, clip=ARGS.cliprange)
    value = value_loss(values, held["mb_values"], held["returns"], longer, clip=ARGS.cliprange_value)
    agree(policy, held["pg_loss"])
    agree(value, held["vf_loss"])
    same_gradients(policy + ARGS.vf_coef * value, held["loss"], (logits, values), agree)


@pytest.mark.parametrize("shift", [True, False])
def test_whitening(trl, shift, agree):
    module, values = trl.experimental.ppo.ppo_trainer, 3 + 2 * normal(0, B, N)
    mask = torch.arange(N) < lengths(False)[:, None]
    theirs = module.masked_whiten(values, mask, shift_mean=shift)
    mean = 0 if shift else module.masked_mean(values, mask)
    agree(whiten(values, mask)[mask] + mean, theirs[mask])


# DPO

PAIRS, T = 3, 9
ENDS = [(3, 9), (4, 8), (2, 7), (3, 8), (5, 9), (4, 6)]  # first and end of each answer; chosen ones, then rejected
IDS = torch.randint(0, V, (2 * PAIRS, T), generator=torch.Generator().manual_seed(1))
FIRST, END = torch.tensor(ENDS).T[..., None]
IS_TOKEN = torch.arange(T) < END
IS_ANSWER = IS_TOKEN & (torch.arange(T) >= FIRST)


def gpt(seed: int) -> GPT2:
    torch.manual_seed(seed)
    model = GPT2(GPT2Config(n_vocab=V, context=T, d_model=8, n_layers=1, n_heads=2, init_std=0.9)).double()
    return model


def dpo_of_trl(trl, model, reference, kind: str, beta: float, smoothing: float, rows=slice(None)):
    def called(model):
        return lambda input_ids, attention_mask, **_: SimpleNamespace(
            logits=model(input_ids, is_token=attention_mask > 0)
        )

    stand_in = MagicMock(
        accelerator=accelerator(), aux_loss_enabled=False, ld_alpha=None, precompute_ref_logps=False,
        f_divergence_type="reverse_kl", loss_types=[kind], loss_weights=[1.0], beta=beta, label_smoothing=smoothing,
        use_weighting=False, _metrics={"train": defaultdict(list)}, _total_train_tokens=0, ref_model=called(reference),
    )  # fmt: skip
    stand_in.args.gradient_checkpointing_kwargs = None
    batch = dict(input_ids=IDS, attention_mask=IS_TOKEN.long(), completion_mask=IS_ANSWER.long())
    batch = {name: each[rows] for name, each in batch.items()}
    loss = trl.trainer.dpo_trainer.DPOTrainer._compute_loss(stand_in, called(model), batch, False)
    return loss, {name: each[-1] for name, each in stand_in._metrics["train"].items()}


def pairs(reference, rows=slice(None), per_token=False) -> dict:
    found = {}
    for side, its in (("chosen", slice(0, PAIRS)), ("rejected", slice(PAIRS, None))):
        part = dict(ids=IDS[its][rows], is_token=IS_TOKEN[its][rows], is_answer=IS_ANSWER[its][rows])
        with torch.no_grad():
            found[side] = part | {"reference": answer_scores(reference, part, per_token=per_token)}
    return found


@pytest.mark.parametrize(
    ("kind", "loss", "per_token"),
    [
        ("sigmoid", dpo_loss, False),
        ("sigmoid_norm", dpo_loss, True),
        ("hinge", hinge_loss, False),
        ("ipo", ipo_loss, True),
        ("robust", partial(robust_loss, flipped=0.15), False),
    ],
)
@pytest.mark.parametrize("beta", [0.1, 0.7])
def test_losses_of_dpo(trl, kind, loss, per_token, beta, agree):
    """Of one model, with the gradient of every parameter; and what TRL logs."""
    model, reference = gpt(0), gpt(1).requires_grad_(False)
    theirs, logged = dpo_of_trl(trl, model, reference, kind, beta, smoothing=0.15)
    ours, figures = on_pairs(
        model, pairs(reference, per_token=per_token), loss=partial(loss, beta=beta), per_token=per_token
    )
    agree(ours, theirs)
    same_gradients(ours, theirs, list(model.parameters()), agree)
    if not per_token:
        assert figures["accuracy"] == pytest.approx(logged["rewards/accuracies"])
        d = {side: torch.tensor([figures[side]], dtype=torch.float64) for side in ("chosen", "rejected")}
        for side, each in d.items():
            reward = float(implicit_rewards(each, beta=beta))
            assert reward == pytest.approx(logged[f"rewards/{side}"], abs=1e-10)


def test_cdpo_is_trls_aot_of_a_single_pair(trl, agree):
    """TRL 1.12 has no cDPO: its sigmoid loss ignores label_smoothing. AOT sorts the pairs' margins; one is sorted."""
    model, reference = gpt(0), gpt(1).requires_grad_(False)
    for row in range(PAIRS):
        theirs, _ = dpo_of_trl(trl, model, reference, "aot", 0.3, 0.15, rows=[row, PAIRS + row])
        loss = partial(cautious_loss, beta=0.3, flipped=0.15)
        ours, _ = on_pairs(model, pairs(reference, rows=slice(row, row + 1)), loss=loss)
        agree(ours, theirs)
        same_gradients(ours, theirs, list(model.parameters()), agree)
    plain, smoothed = (dpo_of_trl(trl, model, reference, "sigmoid", 0.3, smoothing)[0] for smoothing in (0.0, 0.15))
    assert torch.equal(plain, smoothed)


# GRPO

MASK = torch.arange(N) < torch.tensor([9, 8, 7, 6, 1, 2, 3, 5])[:, None]
OLD, REFERENCE = normal(1, B, N), normal(1, B, N) + 0.4 * normal(2, B, N)
NEW = (OLD + 0.3 * normal(3, B, N)).requires_grad_()
ADVANTAGES = normal(4, B)


def grpo_of_trl(trl, kind: str, *, beta=0.0, level="token", corrected=False, low=LOW, high=HIGH):
    stand_in = MagicMock(
        accelerator=accelerator(), aux_loss_enabled=False, top_entropy_quantile=1.0, off_policy_mask_threshold=None,
        importance_sampling_level=level, beta=beta, loss_type=kind, epsilon_low=low, epsilon_high=high, use_vllm=False,
        current_gradient_accumulation_steps=1, max_completion_length=N + 2, _entropy_bonus_enabled=False,
        _metrics={"train": defaultdict(list)}, _get_per_token_logps_and_entropies=lambda *a, **k: (NEW, 0 * NEW, None),
    )  # fmt: skip
    stand_in.args = SimpleNamespace(use_bias_correction_kl=corrected, delta=None, steps_per_generation=1)
    ids, mask = torch.zeros(B, N, dtype=torch.long), MASK.double()
    batch = dict(prompt_ids=ids, prompt_mask=mask, completion_ids=ids, completion_mask=mask, advantages=ADVANTAGES,
                 old_per_token_logps=OLD, ref_per_token_logps=REFERENCE, num_items_in_batch=MASK.sum())  # fmt: skip
    loss = trl.trainer.grpo_trainer.GRPOTrainer._compute_loss(stand_in, None, batch)
    return loss, {name: each[-1] for name, each in stand_in._metrics["train"].items()}


@pytest.mark.parametrize(("beta", "corrected"), [(0.0, False), (BETA, False), (BETA, True)])
@pytest.mark.parametrize(
    ("kind", "loss"),
    [
        ("grpo", partial(grpo_loss, clip=LOW)),
        ("dr_grpo", partial(dr_grpo_loss, clip=LOW, limit=N + 2)),
        ("dapo", partial(dapo_loss, low=LOW, high=HIGH)),
        ("bnpo", partial(dapo_loss, low=LOW, high=LOW)),
    ],
)
def test_losses_of_grpo(trl, kind, loss, beta, corrected, agree):
    high = HIGH if kind == "dapo" else LOW
    theirs, logged = grpo_of_trl(trl, kind, beta=beta, corrected=corrected, high=high)
    penalty = kl_penalty(NEW, REFERENCE, beta=beta, old=OLD if corrected else None) if beta else None
    ours = loss(NEW, OLD, ADVANTAGES, MASK, penalty=penalty)
    agree(ours, theirs)
    same_gradients(ours, theirs, (NEW,), agree)
    figures = clip_figures(NEW, OLD, ADVANTAGES[:, None].expand(B, N), MASK, low=LOW, high=high)
    assert figures["clipped"] == pytest.approx(logged["clip_ratio/region_mean"], abs=1e-6) and figures["clipped"] > 0.05


@pytest.mark.parametrize(("beta", "corrected"), [(0.0, False), (BETA, False), (BETA, True)])
def test_gspo_is_trls_sequence_level(trl, beta, corrected, agree):
    """Where TRL corrects the penalty, it takes the answer's ratio for every token (huggingface/trl#6586)."""
    low, high = 0.05, 0.07
    theirs, _ = grpo_of_trl(trl, "grpo", beta=beta, level="sequence", corrected=corrected, low=low, high=high)
    penalty = kl_penalty(NEW, REFERENCE, beta=beta) if beta else None
    if corrected:
        penalty = penalty * row_means(log_ratio(NEW, OLD), MASK).exp()[:, None]
    ours = gspo_loss(NEW, OLD, ADVANTAGES, MASK, low=low, high=high, penalty=penalty)
    agree(ours, theirs)
    same_gradients(ours, theirs, (NEW,), agree)


def test_the_logged_kl_is_k3(trl):
    _, logged = grpo_of_trl(trl, "grpo", beta=BETA)
    assert logged["kl"] == pytest.approx(float(k3(NEW.detach() - REFERENCE)[MASK].mean()), abs=1e-10)


@pytest.mark.parametrize(("scale", "ours"), [("group", group_advantages), ("none", dr_advantages)])
def test_advantages_of_a_group(trl, scale, ours, agree):
    """And of a group whose rewards are all equal: 0, as TRL has it for numbers that float64 holds exactly."""
    rewards = normal(0, B)
    rewards[G:] = 0.5
    held = vars(trl.trainer.grpo_trainer) | dict(
        self=SimpleNamespace(
            multi_objective_aggregation="sum_then_normalize", scale_rewards=scale, reward_weights=torch.ones(1)
        ),
        rewards_per_func=rewards[:, None],
        unscorable_mask=torch.zeros(B, dtype=torch.bool),
        num_generations=G,
        device="cpu",
    )
    method = trl.trainer.grpo_trainer.GRPOTrainer._generate_and_score_completions
    exec(passage(method, "if self.multi_objective_aggregation ==", "advantages = torch.nan_to_num"), held)
    agree(ours(rewards.view(-1, G)), held["advantages"])


def test_overlong_penalty(trl):
    theirs = trl.rewards.get_soft_overlong_punishment(max_completion_len=50, soft_punish_cache=16)
    found = overlong_penalty(torch.arange(70), limit=50, buffer=16)
    assert found.tolist() == pytest.approx(theirs([[0] * n for n in range(70)]), abs=1e-6)


def test_token_log_probs(trl, agree):
    logits, ids = normal(0, B, N, V).requires_grad_(), torch.randint(0, V, (B, N))
    ours, theirs = (
        token_log_probs(logits, ids),
        trl.trainer.dpo_trainer.selective_log_softmax(logits[:, :-1], ids[:, 1:]),
    )
    agree(ours, theirs)
    same_gradients((ours * normal(1, B, N - 1)).sum(), (theirs * normal(1, B, N - 1)).sum(), (logits,), agree)


def test_five_steps_of_dpo_are_trls(trl, tmp_path, agree):
    """In halves of a batch: the losses of all steps, and all weights after them. Tokens and masks are TRL's."""
    from datasets import Dataset, disable_progress_bars
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config as TheirConfig
    from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

    disable_progress_bars()
    data = {
        "prompt": ["how many apples", "how many red apples", "how many", "red apples"],
        "chosen": [" three of them", " five", " I see no more of them", " yes"],
        "rejected": [" five", " three of them I see", " yes", " no no no"],
    }
    words = ["[END]", *sorted({word for column in data.values() for text in column for word in text.split()})]
    inner = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[END]"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="[END]", pad_token="[END]")
    sizes = dict(n_embd=12, n_layer=1, n_head=3, n_positions=16, embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0)
    torch.manual_seed(0)
    start, still = (
        GPT2LMHeadModel(TheirConfig(vocab_size=len(words), bos_token_id=0, eos_token_id=0, **sizes)) for _ in range(2)
    )
    for parameter in (*start.parameters(), *still.parameters()):
        torch.nn.init.normal_(parameter, std=0.2)
    start.double().save_pretrained(tmp_path / "start")
    still.double().save_pretrained(tmp_path / "still")
    ours, reference = (load_gpt2(tmp_path / name, dtype=torch.float64) for name in ("start", "still"))
    steps, lr = 5, 1e-2
    arguments = trl.DPOConfig(
        output_dir=str(tmp_path / "out"), max_steps=steps, per_device_train_batch_size=2, gradient_accumulation_steps=2,
        beta=0.3, report_to=[], disable_tqdm=True, save_strategy="no", logging_strategy="no", use_cpu=True, bf16=False,
        gradient_checkpointing=False,
    )  # fmt: skip
    losses = []

    class Watched(trl.DPOTrainer):
        def training_step(self, *more):
            losses.append(float(super().training_step(*more)))
            return torch.tensor(losses[-1])

    optimizer = torch.optim.AdamW(start.parameters(), lr=lr, betas=(0.9, 0.95), weight_decay=0.0)
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: warmup_cosine(step, steps))
    trainer = Watched(model=start, ref_model=still, args=arguments, train_dataset=Dataset.from_dict(data),
                      processing_class=tokenizer, optimizers=(optimizer, rate))  # fmt: skip
    its = trainer.data_collator(list(trainer.train_dataset))
    trainer.train()
    batch = {}
    for side, rows in (("chosen", slice(0, 4)), ("rejected", slice(4, None))):
        part = dict(ids=its["input_ids"][rows], is_token=its["attention_mask"][rows] > 0)
        part["is_answer"] = its["completion_mask"][rows] > 0
        with torch.no_grad():
            batch[side] = part | {"reference": answer_scores(reference, part)}
    settings = Settings(steps=steps, lr=lr, weight_decay=0.0, accumulate=2)
    update = Update(ours, settings, loss=partial(on_pairs, loss=partial(dpo_loss, beta=0.3)))
    for step in range(steps):
        assert update(batch)[0] == pytest.approx(sum(losses[2 * step : 2 * step + 2]), abs=1e-10)
    start.save_pretrained(tmp_path / "after")
    after = dict(load_gpt2(tmp_path / "after", dtype=torch.float64).named_parameters())
    for name, parameter in ours.named_parameters():
        agree(parameter, after.pop(name))
    assert not after
