"""The zoo: small trained models that several chapters use, each made by a named recipe.

    model = zoo.load("icl-large")        # shipped, or trained once with a progress bar and kept in the user's cache
    python -m course_lib.zoo list | train NAME | restamp NAME | check NAME

A chapter's recipe.py ends in RECIPES = [Recipe(...), ...]:

    def build() -> nn.Module                     untrained; called after torch.manual_seed(recipe.seed)
    def batches(step: int) -> tensors [B ...]    a pure function of the step: draw with a generator seeded by it
    def loss(model, batch) -> scalar             mean over the batch's rows; if it is a mean over something else (tokens
                                                 that are not padding), weigh(batch) says over how many
    def measure(model) -> {"accuracy": 0.97}     on examples that training never sees, 2 s at most

    RECIPES = [
        Recipe(
            name="numerals", chapter="06", title="中文数字 → 阿拉伯数字的翻译模型",
            build=build, batches=batches, loss=loss, measure=measure, at_least={"accuracy": 0.95},
            settings=Settings(steps=800, lr=3e-3),     # of course_lib.training.engine
        )
    ]

Then `python -m course_lib.zoo train numerals --ship` trains it, checks it and puts it among the shipped weights, in
fp16 (at most 2 MB each; ship=False for a larger one, which is then trained at first use). The file names the code that
made it; when that changes `train --stale --ship` repeats the first 20 steps and the figures, and trains anew only where
they differ. tests/zoo checks every shipped model, and the weekly workflow trains each anew.
"""

from course_lib.zoo.core import Recipe
from course_lib.zoo.store import get_recipe, load, registry, where

__all__ = ["Recipe", "get_recipe", "load", "registry", "where"]
