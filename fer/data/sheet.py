"""Contact sheets: some pictures of each class of a data set on one page."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fer.images.drawing import FONT

COLUMNS = 12
"""Number of pictures of each class."""
SIDE, GAP, MARGIN, TEXT = 72, 4, 150, 15
"""Side of a picture, space between two pictures, width of the column of names, and size of the names, in pixels."""


def draw_sheet(samples: dict[str, list[np.ndarray]], counts: dict[str, int]) -> Image.Image:
    """Draw a contact sheet.

    Args:
        samples: grey uint8 pictures `(size, size)` by class; only the first `COLUMNS` of a class are drawn.
        counts: number of pictures by class, which is written below the name of the class.

    Returns:
        A PIL image of mode L, one row per class.
    """
    rows, step = list(samples.items()), SIDE + GAP
    sheet = Image.new("L", (MARGIN + COLUMNS * step + GAP, GAP + step * max(len(rows), 1)), 255)
    draw, font = ImageDraw.Draw(sheet), ImageFont.truetype(FONT, TEXT)
    for number, (label, pictures) in enumerate(rows):
        top = GAP + number * step
        name = label
        while draw.textlength(name, font) > MARGIN - 2 * GAP:
            name = f"{name[:-2]}…"
        draw.text((GAP, top + SIDE // 2 - TEXT), name, 0, font)
        draw.text((GAP, top + SIDE // 2 + GAP), str(counts.get(label, 0)), 110, font)
        for column, picture in enumerate(pictures[:COLUMNS]):
            image = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            sheet.paste(image, (MARGIN + column * step, top))
    return sheet
