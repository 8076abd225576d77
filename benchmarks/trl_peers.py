"""TRL's trainers for benchmarks/posttraining.py: as they are, made to wait after every step.

What their settings allow is switched off: logging, bars, checkpoints, gradient checkpointing, other processes; DPO's
reference is computed once before training, as ours; all rows of a step are one batch.
"""

import os
import threading
from collections.abc import Callable
from pathlib import Path

from datasets import Dataset, disable_progress_bars
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn
from transformers import (
    GPT2Config,
    GPT2ForSequenceClassification,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    PrinterCallback,
    TrainerCallback,
)
from trl import DPOConfig, DPOTrainer, GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

END, PAD = 0, 1


def tokenizer(words: list[str]) -> PreTrainedTokenizerFast:
    """One id a word, in the list's order."""
    inner = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token=words[PAD]))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token=words[END], pad_token=words[PAD], padding_side="left"
    )


def watched(trainer) -> list[float]:
    """A list that the loss of every training_step will be added to."""
    losses, step = [], trainer.training_step

    def training_step(*args):
        loss = step(*args)
        losses.append(float(loss))
        return loss

    trainer.training_step = training_step
    return losses


class Stepwise(TrainerCallback):
    """trainer.train() in a thread that waits at the end of every step: a call goes on from there to the next one's.

    losses: what each training_step gave. What fails there is raised here. The first step is made at once, while
    accelerate, whose state is one for the whole process, still knows this trainer's number type.
    """

    def __init__(self, trainer):
        self.go, self.done, self.failed = threading.Semaphore(0), threading.Semaphore(0), None
        self.trainer, self.losses = trainer, watched(trainer)
        trainer.add_callback(self)
        threading.Thread(target=self.train, daemon=True).start()
        self()

    def train(self) -> None:
        self.go.acquire()
        try:
            self.trainer.train()
            raise RuntimeError("the training ended before the benchmark did; give it more steps")
        except BaseException as error:
            self.failed = error
            self.done.release()

    def on_step_end(self, *args, **kwargs) -> None:
        self.done.release()
        self.go.acquire()

    def __call__(self) -> None:
        self.go.release()
        self.done.acquire()
        if self.failed is not None:
            raise self.failed


class Peers:
    """TRL's trainers of models like `twin`. folder: scratch, for files that they want. steps: of each training.

    optimizers: model -> optimizer and schedule; default theirs, with lr 3e-4.
    """

    def __init__(
        self,
        twin: nn.Module,
        words: list[str],
        folder: Path,
        *,
        steps: int,
        bf16: bool = False,
        optimizers: Callable = lambda model: (None, None),
    ):
        self.folder, self.steps, self.bf16, self.optimizers = folder, steps, bf16, optimizers
        self.words = tokenizer(words)
        disable_progress_bars()
        twin.config.update({"eos_token_id": END, "pad_token_id": PAD})
        twin.generation_config.update(eos_token_id=END, pad_token_id=PAD)
        twin.save_pretrained(folder / "start")

    def model(self) -> GPT2LMHeadModel:
        return GPT2LMHeadModel.from_pretrained(self.folder / "start")

    def scorer(self) -> GPT2ForSequenceClassification:
        config = GPT2Config.from_pretrained(self.folder / "start", num_labels=1)
        return GPT2ForSequenceClassification.from_pretrained(self.folder / "start", config=config)

    def config(self, kind: type, batch: int, **more):
        """Its settings with all that is not training switched off."""
        off = dict(report_to=[], disable_tqdm=True, save_strategy="no", logging_strategy="no", eval_strategy="no")
        off |= dict(gradient_checkpointing=False, dataloader_pin_memory=False, use_cpu=True, output_dir=self.folder)
        return kind(
            per_device_train_batch_size=batch, bf16=self.bf16, learning_rate=3e-4, weight_decay=0.1, **off, **more
        )

    def trainer(self, kind: type, args, data: Dataset, **more):
        model = self.model()
        its = dict(args=args, train_dataset=data, processing_class=self.words, optimizers=self.optimizers(model))
        found = kind(model=model, **its, **more)
        found.remove_callback(PrinterCallback)
        return found

    def sft(self, rows: list[dict]) -> SFTTrainer:
        """rows: input_ids and completion_mask, the same in every step."""
        lean = dict(max_steps=self.steps, train_sampling_strategy="sequential", max_length=None)
        args = self.config(SFTConfig, len(rows), completion_only_loss=True, **lean)
        return self.trainer(SFTTrainer, args, Dataset.from_list(rows * self.steps))

    def dpo(self, rows: list[dict]) -> DPOTrainer:
        """rows: prompt, chosen and rejected, texts, the same in every step."""
        lean = dict(max_steps=self.steps, train_sampling_strategy="sequential", max_length=None)
        args = self.config(DPOConfig, len(rows), precompute_ref_log_probs=True, beta=0.1, **lean)
        return self.trainer(DPOTrainer, args, Dataset.from_list(rows * self.steps))

    def grpo(self, prompts: list[str], n: int, limit: int, reward: Callable, beta: float, seed: int = 0) -> GRPOTrainer:
        args = self.config(
            GRPOConfig, len(prompts) * n, max_steps=self.steps, num_generations=n, max_completion_length=limit,
            beta=beta, loss_type="grpo", shuffle_dataset=False, seed=seed,
            use_bias_correction_kl=False,
        )  # fmt: skip
        return self.trainer(GRPOTrainer, args, Dataset.from_dict({"prompt": prompts * self.steps}), reward_funcs=reward)

    def ppo(self, prompts: list[str], limit: int, epochs: int):
        from trl.experimental.ppo import PPOConfig, PPOTrainer

        ids = self.words(prompts * self.steps)["input_ids"]
        # PPO's own loop reads the type of its numbers from what the launcher says
        os.environ["ACCELERATE_MIXED_PRECISION"] = "bf16" if self.bf16 else "no"
        args = self.config(
            PPOConfig, len(prompts), total_episodes=len(prompts) * self.steps, num_ppo_epochs=epochs,
            num_mini_batches=1, response_length=limit, temperature=1.0, num_sample_generations=0, kl_coef=0.05,
            stop_token="eos", local_rollout_forward_batch_size=len(prompts),
        )  # fmt: skip
        value = self.scorer()
        nn.init.zeros_(value.score.weight)
        data = Dataset.from_dict({"input_ids": ids})
        trainer = self.trainer(
            PPOTrainer, args, data, ref_model=self.model(), reward_model=self.scorer(), value_model=value,
            eval_dataset=data.select(range(1)),
        )  # fmt: skip
        del os.environ["ACCELERATE_MIXED_PRECISION"]
        return trainer
