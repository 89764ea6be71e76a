"""Training on small data sets of one's own: how accurate a network becomes with 10 to 300 pictures per class.

The data sets are drawn: faces that differ in size, place, turn, tones, light, hair and grain, of `CLASSES` that no
network of this project has an answer for. Each is drawn three times, and every network answers the same test pictures.

    python -m benchmarks.small_sets draw FOLDER --per-class 30    # a data set to try the commands on
    python -m benchmarks.small_sets measure FOLDER                # the table of docs/training.md
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

CLASSES = ("glasses", "kiss", "tongue", "wink")
"""Classes of the drawn faces."""
SIZES = (10, 30, 100, 300)
"""Numbers of pictures per class, those that are held out included."""
DRAWS = 3
"""Number of data sets of each size."""
TEST = 100
"""Number of test pictures per class."""
SIDE = 96
"""Side of a picture in pixels."""
SCALE = 3
"""Factor by which a face is drawn larger than its picture, so that its edges are smooth."""


def draw_face(label, random):
    """Draw a face as a PIL image of mode RGB.

    Args:
        label: one of `CLASSES`.
        random: NumPy random generator.
    """
    side = SIDE * SCALE
    ground, skin, dark = (
        tuple(random.integers(low, high, 3).tolist()) for low, high in ((20, 235), (110, 240), (5, 80))
    )
    image = Image.new("RGB", (side, side), ground)
    draw = ImageDraw.Draw(image)
    unit = side * random.uniform(0.030, 0.042)
    x, y = side * random.uniform(0.44, 0.56), side * random.uniform(0.42, 0.54)

    def box(dx, dy, rx, ry):
        return x + unit * (dx - rx), y + unit * (dy - ry), x + unit * (dx + rx), y + unit * (dy + ry)

    wide, tall = random.uniform(8, 10), random.uniform(10, 12.5)
    if random.random() < 0.7:
        draw.ellipse(box(0, -3, wide + 1.5, tall), fill=dark)
    draw.ellipse(box(0, 0, wide, tall), fill=skin)
    apart, up, open_ = random.uniform(3.4, 4.4), random.uniform(2, 3.5), random.uniform(0.5, 1.1)
    closed = int(random.integers(2)) if label == "wink" else None
    for index, sign in enumerate((-1, 1)):
        if index == closed:
            draw.arc(
                box(sign * apart, -up, 1.7, random.uniform(0.3, 0.9)), *(0, 180), fill=dark, width=round(unit * 0.5)
            )
        else:
            draw.ellipse(box(sign * apart, -up, 1.7, open_ + 0.2), fill=(240, 240, 240))
            draw.ellipse(box(sign * apart + random.uniform(-0.5, 0.5), -up, 0.8, min(0.8, open_)), fill=dark)
        lift, slope = random.uniform(2, 3.2), random.uniform(-0.8, 0.8)
        ends = [(x + unit * (sign * apart - 2), y - unit * (up + lift + slope)),
                (x + unit * (sign * apart + 2), y - unit * (up + lift - slope))]  # fmt: skip
        draw.line(ends, fill=dark, width=round(unit * random.uniform(0.3, 0.9)))
        if label == "glasses":
            draw.ellipse(box(sign * apart, -up, 2.9, 2.5), outline=dark, width=round(unit * random.uniform(0.25, 0.6)))
    if label == "glasses":
        draw.line([(x - unit * (apart - 2.9), y - unit * up), (x + unit * (apart - 2.9), y - unit * up)], fill=dark,
                  width=round(unit * 0.35))  # fmt: skip
    draw.line([(x, y - unit), (x + unit * random.uniform(-1, 1), y + unit * 1.5)], fill=dark, width=round(unit * 0.3))
    low, red = random.uniform(4.5, 6), (random.integers(130, 200), random.integers(40, 90), random.integers(50, 100))
    red = tuple(int(value) for value in red)
    if label == "kiss":
        draw.ellipse(box(0, low, random.uniform(1, 1.6), random.uniform(0.9, 1.5)), fill=red)
        draw.ellipse(box(0, low, 0.4, 0.35), fill=dark)
    else:
        curve, breadth = random.uniform(-1, 2), random.uniform(2.5, 4.2)
        draw.chord(box(0, low, breadth, max(0.5, abs(curve))), *((0, 180) if curve > 0 else (180, 360)), fill=dark)
        if label == "tongue":
            draw.ellipse(
                box(random.uniform(-1, 1), low + 1.1, random.uniform(0.9, 1.5), random.uniform(1.2, 2)), fill=red
            )
    image = image.rotate(random.uniform(-18, 18), Image.Resampling.BICUBIC, fillcolor=ground)
    image = image.resize((SIDE, SIDE), Image.Resampling.LANCZOS).filter(
        ImageFilter.GaussianBlur(random.uniform(0, 1.6))
    )
    light = np.linspace(*random.uniform(0.55, 1.25, 2), SIDE)
    shade = light[:, None] if random.random() < 0.5 else light[None]
    pixels = np.asarray(image, float) * shade[..., None] + random.normal(0, random.uniform(2, 16), (SIDE, SIDE, 1))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def draw_set(folder, per_class, seed):
    """Draw `per_class` pictures of each class into `folder/<class>/`."""
    random = np.random.default_rng(seed)
    for label in CLASSES:
        target = Path(folder, label)
        target.mkdir(parents=True, exist_ok=True)
        for number in range(per_class):
            draw_face(label, random).save(target / f"{number:03d}.jpg", quality=90)
