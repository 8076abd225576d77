"""Noisy "web" captions whose noise is known: what a filter should have thrown away can be counted.

Each kind of noise makes the caption untrue or useless for its picture, and says so. Chapter 12 (CapFilt), 09 (filters).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from course_lib.data.world.captions import Phrase, describe, write
from course_lib.data.world.dice import Dice
from course_lib.data.world.scenes import COLOURS, KINDS, POSITIONS, Scene

NOISES = ("colour", "kind", "position", "missing", "other scene", "junk")
JUNK = {
    "zh": (
        "点击查看大图",
        "免费下载高清壁纸",
        "图片来自网络",
        "IMG_20240817.jpg",
        "新品上市，全场包邮",
        "分享到朋友圈",
    ),
    "en": ("click to enlarge", "free wallpaper download", "image not found", "IMG_20240817.jpg", "new in store"),
}


@dataclass(frozen=True)
class NoisyCaption:
    """`text` as found on the web, `clean` as it should read; `noise` is None or one of NOISES.

    `missing` leaves a shape out: true as far as it goes, but not the whole picture.
    """

    text: str
    clean: str
    noise: str | None

    @property
    def is_clean(self) -> bool:
        return self.noise is None


def _other(dice: Dice, names: Sequence[str], now: str) -> str:
    return dice.choice([name for name in names if name != now])


def _spoil(phrases: Sequence[Phrase], noise: str, dice: Dice) -> list[Phrase]:
    spoilt, i = list(phrases), dice.below(len(phrases))
    if noise == "missing":
        del spoilt[i]
    elif noise == "colour":
        spoilt[i] = replace(spoilt[i], colour=_other(dice, tuple(COLOURS), spoilt[i].colour))
    elif noise == "kind":
        spoilt[i] = replace(spoilt[i], kind=_other(dice, KINDS, spoilt[i].kind))
    else:
        spoilt[i] = replace(spoilt[i], position=_other(dice, POSITIONS, spoilt[i].position))
    return spoilt


def _said(phrases: Sequence[Phrase]) -> list[str]:
    return sorted(map(repr, phrases))


def noisy_captions(
    scenes: Sequence[Scene],
    seed: int,
    *,
    rate: int = 30,
    language: str = "zh",
    noises: Sequence[str] = NOISES,
    sizes: bool = False,
) -> list[NoisyCaption]:
    """One caption a scene; each is spoilt with probability `rate` percent, by one kind of noise drawn alike.

    A kind that cannot be had (a missing shape of a single one; another scene when all say the same) is drawn again
    among the rest. Scenes must hold shapes only, at least one each.
    """
    unknown = set(noises) - set(NOISES)
    if unknown or not noises:
        raise ValueError(f"noises must be some of {', '.join(NOISES)}, got {tuple(noises)}")
    said = [describe(scene, sizes=sizes) for scene in scenes]
    for i, scene in enumerate(scenes):
        if not scene.shapes or scene.labels:
            raise ValueError(f"scene {i} must hold at least one shape and no label")
    return [_noisy(i, said, Dice(seed, "noise", i), rate, language, list(noises)) for i in range(len(scenes))]


def _noisy(
    i: int, said: list[tuple[Phrase, ...]], dice: Dice, rate: int, language: str, noises: list[str]
) -> NoisyCaption:
    phrases = said[i]
    clean = write(phrases, language)
    if not dice.percent(rate):
        return NoisyCaption(clean, clean, None)
    while noises:
        noise = noises.pop(dice.below(len(noises)))
        if noise == "junk":
            return NoisyCaption(dice.choice(JUNK[language]), clean, noise)
        if noise == "other scene":
            for _ in range(20):
                other = said[dice.below(len(said))]
                if _said(other) != _said(phrases):
                    return NoisyCaption(write(other, language), clean, noise)
        elif noise != "missing" or len(phrases) > 1:
            return NoisyCaption(write(_spoil(phrases, noise, dice), language), clean, noise)
    raise ValueError(f"none of the noises asked for can spoil scene {i} ({clean!r}); add 'colour' or 'junk'")
