"""Tang quatrains from the npm package chinese-poetry 2.0.1: one command, and the shipped files again, byte for byte.

    npm pack chinese-poetry@2.0.1
    pip install -c requirements.lock -e '.[data]'
    python -m course_lib.data.real.build_poems chinese-poetry-2.0.1.tgz

    57,607 poems → four lines of 5 or 7 characters → simplified, variants joined → no near-copies (chapter 09's MinHash)
    → characters that the course's font draws → split by poet and by poem → characters common in training → poems.txt.gz
    every character left → its sound (pypinyin) → poem_sounds.txt

Authors need not be drawable. Which digest the text has is written in poems.py; that of the packed file depends on zlib.
"""

import argparse
import gzip
import hashlib
import json
import re
import tarfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from io import BytesIO
from pathlib import Path

from course_lib.data.real.poem_rules import RHYMES
from course_lib.data.real.poems import FILE, SOUNDS, Poem, laid_out
from course_lib.data.text.minhash import deduplicate
from course_lib.files import write_whole

SOURCE = "25b549e46919c3a0569db6b68ddc96956b04a484ea4518ad2bbd4f137e307e86"  # sha256 of the package
MEMBER = re.compile(r"package/dist/quantangshi/poet\.tang\.(\d+)\.json")
FONT = Path(__file__).parents[2] / "fonts" / "CourseSans-SC.otf"
LEAST = 3  # times that a character stands in the training poems
NEW_POETS, HELD_OUT = 20, 18  # one poet in 20 is new; of the other poets' poems one in 18 is held out
NOBODY = {"不详", "无名氏", "佚名"}  # no poet of their own

# What opencc leaves: an older form, and the one that a reader of today knows. 沈 is a surname, too: names keep it.
PAIRS = """
疎疏 暎映 逈迥 荅答 嬾懒 飜翻 櫂棹 猨猿 劒剑 煖暖 羗羌 鴈雁 慙惭 麤粗 麄粗 堦阶 椶棕 畧略 嚬颦 棃梨
竝并 粧妆 鬬斗 湌餐 飡餐 蘂蕊 鵶鸦 恠怪 窻窗 牕窗 窓窗 覩睹 慿凭 栢柏 躭耽 胷胸 隣邻 簷檐 褭袅 嬝袅
徧遍 祇只 秖只 秪只 妬妒 媿愧 斾旆 桮杯 鏁锁 顦憔 顇悴 呌叫 巵卮 廻回 髪发 壻婿 牋笺 鼇鳌 僊仙 彊强
珮佩 歛敛 燄焰 飏扬 缾瓶 讐仇 筯箸 帬裙 懃勤 慇殷 悮误 醆盏 臯皋 椀碗 盌碗 牓榜 飖摇 羇羁 覊羁 怱匆
悤匆 碁棋 檝楫 髣仿 髴佛 汚污 緜绵 諠喧 犂犁 瑠琉 轝舆 毬球 虵蛇 朶朵 蕚萼 珪圭 穉稚 隄堤 罇樽 邨村
趂趁 蔕蒂 塲场 荳豆 袴裤 廐厩 懽欢 徴征 藂丛 鞵鞋 碪砧 抝拗 効效 臙胭 崄险 鳯凤 箒帚 嵒岩 惣总 濶阔
騣鬃 蹏蹄 嗁啼 倂并 磵涧 艸草 勅敕 𠡠敕 欵款 搆构 峩峨 韈袜 攲欹 輙辄 裀茵 潄漱 秔粳 陁陀 揜掩 蒨茜
撚捻 槃盘 镕熔 毘毗 剉锉 賸剩 鸎莺 旛幡 遯遁 虀齑 瑯琅 衞卫 翺翱 覰觑 眀明
"""
VARIANTS = dict(PAIRS.split())
IN_LINES = VARIANTS | {"沈": "沉"}

BUZZING = ("zh", "ch", "sh", "r", "z", "c", "s")  # after these, i is the vowel of 知 and 思
NUMBER = "[一二三四五六七八九十百]+"


def read(package: Path) -> list[dict]:
    """All Tang poems of the package, in its order. Raises ValueError unless it is the very file that SOURCE names."""
    data = package.read_bytes()
    if (digest := hashlib.sha256(data).hexdigest()) != SOURCE:
        raise ValueError(f"{package} has sha256 {digest}, not {SOURCE}; fetch it: npm pack chinese-poetry@2.0.1")
    poems = {}
    with tarfile.open(fileobj=BytesIO(data)) as archive:
        for member in archive:
            if match := MEMBER.fullmatch(member.name):
                poems[int(match[1])] = json.load(archive.extractfile(member))
    return [poem for _, part in sorted(poems.items()) for poem in part]


def quatrain(paragraphs: Iterable[str]) -> tuple[str, ...] | None:
    """The four lines, 5 or 7 Chinese characters each, remarks in brackets left out; None for a poem of another form."""
    text = re.sub(r"[（(].*?[）)]", "", "".join(paragraphs))
    lines = tuple(line for line in re.split("[，。？！；、：]", text) if line)
    is_one = len(lines) == 4 and {len(line) for line in lines} in ({5}, {7})
    return lines if is_one and all(re.fullmatch("[\u4e00-\u9fff]+", line) for line in lines) else None


def plain_title(title: str) -> str:
    """Without remarks in brackets, the collection in front, and the number that it has there."""
    parts = re.sub(r"[（(\[〔{].*?[）)\]〕}]", "", title).split()
    while len(parts) > 1 and re.fullmatch(f"其?{NUMBER}|又|再", parts[-1]):
        parts.pop()
    return re.sub(f"({NUMBER}[首章篇绝])+$", "", parts[-1]) if parts else ""


def joined(text: str, variants: dict[str, str]) -> str:
    return "".join(variants.get(character, character) for character in text)


def modern(poem: Poem, simplify: Callable[[str], str]) -> Poem:
    """In simplified characters."""
    title = plain_title(joined(simplify(poem.title), VARIANTS))
    lines = tuple(joined(simplify(line), IN_LINES) for line in poem.lines)
    return Poem(title, joined(simplify(poem.author), VARIANTS), lines)


def without_copies(poems: Sequence[Poem]) -> list[Poem]:
    """The first of every cluster of near-copies: about two lines in common, or a character changed here and there."""
    kept = deduplicate(["".join(poem.lines) for poem in poems], bands=64, rows=2, threshold=0.3, k=2)
    return [poems[i] for i in kept]


def digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def split_of(poem: Poem) -> str:
    """A poet is new or not as the hash of the name says, a poem of the others held out as that of its lines says."""
    if poem.author not in NOBODY and digest(poem.author) % NEW_POETS == 0:
        return "new-poets"
    return "held-out" if digest("".join(poem.lines)) % HELD_OUT == 0 else "train"


def common(poems: Sequence[Poem], least: int = LEAST) -> list[Poem]:
    """Poems whose every character stands `least` times in those that are left for training."""
    while True:
        seen = Counter(c for poem in poems if split_of(poem) == "train" for line in poem.lines for c in line)
        left = [poem for poem in poems if all(seen[c] >= least for line in poem.lines for c in line)]
        if len(left) == len(poems):
            return left
        poems = left


def sounds(characters: Iterable[str]) -> str:
    """A row for each rhyme group and tone class: 庚 平 东中风…; by a character's usual reading, of today."""
    from pypinyin import Style, pinyin

    styles, rows = (Style.INITIALS, Style.FINALS, Style.TONE3), {}
    for character in characters:
        initial, final, syllable = (pinyin(character, style=style)[0][0] for style in styles)
        final = "-i" if final == "i" and initial in BUZZING else final
        group = next(group for group, finals in RHYMES.items() if final in finals.split())
        tone = "平" if syllable[-1] in "12" else "仄"
        rows.setdefault((group, tone), []).append(character)
    order = [(group, tone) for group in RHYMES for tone in "平仄" if (group, tone) in rows]
    return "".join(f"{group} {tone} {''.join(sorted(rows[group, tone]))}\n" for group, tone in order)


def packed(text: str) -> bytes:
    """gzip, without the hour."""
    return gzip.compress(text.encode(), 9, mtime=0)


def build(package: Path, folder: Path) -> None:
    from fontTools.ttLib import TTFont
    from opencc import OpenCC

    simplify, drawable = OpenCC("t2s").convert, TTFont(FONT).getBestCmap()
    stages, source = Counter(), read(package)
    stages["in the package"] = len(source)
    poems = [Poem(each["title"], each["author"], lines) for each in source if (lines := quatrain(each["paragraphs"]))]
    stages["quatrains"] = len(poems)
    poems = [poem for poem in (modern(each, simplify) for each in poems) if poem.title not in ("句", "")]
    stages["no fragments"] = len(poems)
    poems = without_copies(poems)
    stages["no near-copies"] = len(poems)
    poems = [poem for poem in poems if all(ord(c) in drawable for line in poem.lines for c in line)]
    stages["drawable"] = len(poems)
    poems = common(poems)
    stages["characters common"] = len(poems)
    text = laid_out((split_of(poem), poem) for poem in poems)
    write_whole(folder / FILE, packed(text))
    write_whole(folder / SOUNDS, sounds({c for poem in poems for line in poem.lines for c in line}))
    for stage, n in stages.items():
        print(f"{n:>7,} {stage}")
    print(f"sha256 of the text: {hashlib.sha256(text.encode()).hexdigest()}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m course_lib.data.real.build_poems", description=__doc__)
    parser.add_argument("package", type=Path, help="chinese-poetry-2.0.1.tgz")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent, help="where to write; the package's own")
    chosen = parser.parse_args()
    build(chosen.package, chosen.folder)
