"""Text: the course's own Chinese prose, sentence pairs, and as many scene captions as an experiment wants.

The prose is a fixed file (prose.txt), so that the merges a tokenizer learns from it are the same for every reader.
"""

from functools import cache
from pathlib import Path

from course_lib.data.world.captions import caption, check_language
from course_lib.data.world.scenes import scatter
from course_lib.foundations.checks import check_count

# (Chinese, English); the pairs marked by their neighbours differ in word order alone
SENTENCES = (
    ("狗咬人", "Dog bit Man"),
    ("人咬狗", "Man bit Dog"),
    ("猫追老鼠", "the cat chases the mouse"),
    ("老鼠追猫", "the mouse chases the cat"),
    ("我教你", "I teach you"),
    ("你教我", "you teach me"),
    ("红色圆形在蓝色正方形左边", "the red circle is left of the blue square"),
    ("蓝色正方形在红色圆形左边", "the blue square is left of the red circle"),
    ("只有老师看见了答案", "only the teacher saw the answer"),
    ("老师只看见了答案", "the teacher saw only the answer"),
    ("她把书放在桌子上，因为它很重", "she put the book on the table because it was heavy"),
    ("她把书放在桌子上，因为它很稳", "she put the book on the table because it was stable"),
    ("银行关门了，我们沿着河岸走回家", "the bank was closed, so we walked home along the river bank"),
    ("小明说小红认为自己是对的", "Ming says that Hong thinks she is right"),
    ("天上没有云，湖里有一轮月亮", "no cloud in the sky, and a moon in the lake"),
    ("一张图片胜过一千个词元", "a picture is worth a thousand tokens"),
    ("把图片切成小块，每一块就是一个词", "cut the picture into patches, and each patch is a word"),
    ("先看左上角，再看右下角", "look at the top left first, then at the bottom right"),
    ("视频里的钟每过一秒响一次", "the clock in the video rings once a second"),
    ("模型读过很多书，但是没有见过海", "the model has read many books but has never seen the sea"),
)


@cache
def prose() -> str:
    """About 9 kB of Chinese prose with English terms, on the course's own topics; paragraphs are lines."""
    return Path(__file__).with_name("prose.txt").read_text(encoding="utf-8")


def sentences(language: str = "zh") -> list[str]:
    """The sentence list in one language; sentence k means the same in both."""
    check_language(language)
    return [pair[language == "en"] for pair in SENTENCES]


def scene_sentences(n: int, seed: int, language: str = "zh", *, sizes: bool = True) -> list[str]:
    """n true captions of scenes with one to three shapes; every colour, shape, size and position word is equally usual.

    Colour words share their neighbours with colour words and shape words with shape words, and nothing else marks
    them: the corpus for embeddings (claim C01).
    """
    check_count("n", n, 1)
    return [caption(scatter(seed, i, width=64, height=64), language, sizes=sizes) for i in range(n)]
