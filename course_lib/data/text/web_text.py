"""A small web crawl with known labels: true captions among word salad, boilerplate and near-copies.

A document is the Chinese captions of a few scenes. `crawl` hides the good ones among what a real crawl is full of;
`curated` is a collection that somebody chose (what WebText was to GPT-3): good text alone, of other scenes.
Chapter 09.  Read first: captions.py, dice.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from course_lib.data.world.captions import caption
from course_lib.data.world.dice import Dice
from course_lib.data.world.scenes import scatter
from course_lib.foundations.checks import check_count

CLEAN, SHUFFLED, BOILERPLATE, COPY = LABELS = ("clean", "shuffled", "boilerplate", "copy")
SHARES: Mapping[str, int] = MappingProxyType({CLEAN: 25, SHUFFLED: 10, BOILERPLATE: 20, COPY: 45})  # in a hundred
SCENES_IN_A_DOCUMENT = 3
COPIES_OF_EACH = 200  # a few texts are copied again and again, as real crawls show (Lee et al. 2022)
BOILERPLATE_PHRASES = (
    *("版权所有，翻印必究。", "点击这里登录。", "忘记密码？", "加载中，请稍候。", "上一页", "下一页", "返回顶部"),
    *("关于我们", "联系我们", "网站地图", "友情链接", "隐私政策", "广告合作", "扫码关注公众号。", "查看更多评论"),
    *(
        "本站内容来自网络，如有侵权请联系删除。",
        "您的浏览器版本过低，请升级。",
        "转载请注明出处。",
        "猜你喜欢",
        "免费注册",
    ),
)


@dataclass(frozen=True)
class Document:
    """`label` is one of LABELS; `original` numbers the text that a copy comes from, and is None for the rest."""

    text: str
    label: str
    original: int | None = None


def _captions(seed: int, part: str, index: int) -> str:
    scenes = Dice(seed, "web text", part, index)
    worlds = [scenes.below(2**31) for _ in range(SCENES_IN_A_DOCUMENT)]
    return "".join(caption(scatter(world, width=64, height=64, n_shapes=(2, 3))) for world in worlds)


def _salad(text: str, dice: Dice) -> str:
    """The same characters in random order."""
    return "".join(dice.sample(text, len(text)))


def _boilerplate(dice: Dice) -> str:
    phrases = [dice.choice(BOILERPLATE_PHRASES) for _ in range(dice.between(6, 10))]
    return "".join(phrases) + f"第{dice.between(1, 999)}页"


def near_copy(text: str, dice: Dice, *, edits: int = 1) -> str:
    """The text with `edits` characters replaced by others of it, and a mark at its end as a mirror site adds."""
    signs = list(text)
    for _ in range(edits):
        signs[dice.below(len(signs))] = dice.choice(text)
    return "".join(signs) + f"转{dice.between(1, 99)}"


def crawl(n: int, seed: int, *, shares: Mapping[str, int] = SHARES) -> list[Document]:
    """n documents in random order; `shares` are percent by label and sum to 100.

    Each original is copied about COPIES_OF_EACH times; originals are not among the clean documents.
    Raises ValueError for n < 1, an unknown label or shares that do not sum to 100.
    """
    check_count("n", n, 1)
    if set(shares) - set(LABELS) or sum(shares.values()) != 100 or min(shares.values()) < 0:
        raise ValueError(f"shares {dict(shares)} must name {', '.join(LABELS)}, be 0 or more and sum to 100")
    dice = Dice(seed, "web text", "crawl")
    labels = [label for label in LABELS for _ in range(n * shares.get(label, 0) // 100)]
    labels += [CLEAN] * (n - len(labels))
    n_popular = max(1, round(labels.count(COPY) / COPIES_OF_EACH))
    documents = []
    for index, label in enumerate(dice.sample(labels, n)):
        if label == COPY:
            original = dice.below(n_popular)
            text = near_copy(_captions(seed, "popular", original), dice)
            documents.append(Document(text, COPY, original))
        elif label == BOILERPLATE:
            documents.append(Document(_boilerplate(dice), BOILERPLATE))
        else:
            text = _captions(seed, "pages", index)
            documents.append(Document(_salad(text, dice) if label == SHUFFLED else text, label))
    return documents


def curated(n: int, seed: int) -> list[str]:
    """n good texts of scenes that no crawl of this seed holds: positive examples, or a test set."""
    check_count("n", n, 1)
    return [_captions(seed, "curated", index) for index in range(n)]
