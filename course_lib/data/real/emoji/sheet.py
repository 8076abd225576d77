"""The contact sheet of the card: from each group twelve things at even distances, as each hand draws them."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from course_lib.data.real.emoji.drawings import GROUPS, HANDS, SIZE, emoji

ROOT = Path(__file__).parents[4]
SHEET = ROOT / "book" / "assets" / "emoji-sheet.png"
FONT = ROOT / "course_lib" / "fonts" / "CourseSans-SC.otf"
ACROSS = 12  # things of a group
SCALE = 2  # pixels of the sheet for one of the picture
CELL = SCALE * SIZE + 6
LABEL = 130  # width of the group's name
BAND = len(HANDS) * CELL + 12  # height of one group
INK, PAPER = "#1F2933", "#FFFFFF"


def chosen(labels: np.ndarray, group: int) -> np.ndarray:
    """Rows of ACROSS things of a group, at even distances from its first to its last."""
    rows = np.flatnonzero(labels == group)
    return rows[np.arange(ACROSS) * (len(rows) - 1) // (ACROSS - 1)]


def contact_sheet() -> Image.Image:
    """Eight bands of a name and three rows, one a hand in the order of HANDS; 256 colours."""
    data = emoji()
    drawn = {hand: data.pictures(hand).repeat(SCALE, 1).repeat(SCALE, 2) for hand in HANDS}
    sheet = Image.new("RGB", (LABEL + ACROSS * CELL, len(GROUPS) * BAND), PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.truetype(str(FONT), 22)
    for group, name in enumerate(GROUPS):
        pen.text((4, group * BAND + BAND // 2), name, INK, font, anchor="lm")
        for row, hand in enumerate(HANDS):
            for column, thing in enumerate(chosen(data.labels, group)):
                place = (LABEL + column * CELL, group * BAND + row * CELL)
                sheet.paste(Image.fromarray(drawn[hand][thing]), place)
    return sheet.quantize(256, dither=Image.Dither.NONE)
