"""Cut the course's font from Noto Sans CJK: GB2312, Greek, arrows, mathematics, circled numbers and full-width forms.

    python course_lib/fonts/make_subset.py /usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc

The result is renamed, so that it never stands in for (or is hidden by) an installed Noto Sans CJK SC.
"""

import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTCollection

FAMILY = "Course Sans SC"
TARGET = Path(__file__).with_name("CourseSans-SC.otf")
BLOCKS = (
    (0x20, 0x7F),  # ASCII
    (0xA0, 0x180),  # Latin-1, Latin Extended-A
    (0x370, 0x400),  # Greek
    (0x2000, 0x20A0),  # punctuation, superscripts and subscripts
    (0x2100, 0x2190),  # letter-like symbols, number forms
    (0x2190, 0x2300),  # arrows, mathematical operators
    (0x2460, 0x2474),  # circled numbers
    (0x2500, 0x2700),  # lines, blocks, shapes, symbols
    (0x2700, 0x27C0),  # ticks and crosses
    (0x3000, 0x3040),  # Chinese punctuation
    (0xFF00, 0xFFF0),  # full-width forms
)


def gb2312() -> set[int]:
    """Code points of the 6,763 汉字 of GB2312."""
    cells = ((high, low) for high in range(0xB0, 0xF8) for low in range(0xA1, 0xFF))
    decoded = (bytes(cell).decode("gb2312", errors="ignore") for cell in cells)
    return {ord(char) for char in decoded if char}


def main(source: str) -> None:
    """Write CourseSans-SC.otf beside this file from the SC face of a Noto Sans CJK collection."""
    font = next(f for f in TTCollection(source).fonts if f["name"].getDebugName(1) == "Noto Sans CJK SC")
    options = subset.Options()
    options.layout_features = []
    options.hinting = False
    options.name_IDs = ["*"]
    options.notdef_outline = True
    options.drop_tables += ["vhea", "vmtx", "VORG", "BASE", "GPOS", "GSUB", "GDEF"]
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=gb2312() | {code for first, end in BLOCKS for code in range(first, end)})
    subsetter.subset(font)
    for record in font["name"].names:
        names = {1: FAMILY, 3: f"{FAMILY} Regular", 4: FAMILY, 6: "CourseSansSC-Regular", 16: FAMILY}
        if record.nameID in names:
            record.string = names[record.nameID]
    face = font["CFF "].cff
    face.fontNames = ["CourseSansSC-Regular"]
    face.topDictIndex[0].FullName = face.topDictIndex[0].FamilyName = FAMILY
    font["head"].modified = font["head"].created
    font.recalcTimestamp = False
    font.save(TARGET)
    print(f"{TARGET.name}: {len(font.getGlyphOrder())} glyphs, {TARGET.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])
