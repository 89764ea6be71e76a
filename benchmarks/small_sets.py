"""Accuracy of networks that are trained on small data sets, with 10 to 300 pictures per class.

The data sets are drawn faces that vary in size, position, rotation, colours, light, hair, blur and noise. Their
`CLASSES` are not among the bundled network's. Each size is drawn three times; all networks are tested on the same
pictures.

    python -m benchmarks.small_sets draw mine --per-class 30    # a data set for trying the commands
    python -m benchmarks.small_sets measure runs/small          # the table of docs/training.md

An interrupted measurement continues: runs that are already in `measured.json` are not trained again.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from benchmarks.tables import table
from fer.outputs import is_new_or_empty, write_json

CLASSES = ("glasses", "kiss", "tongue", "wink")
"""Classes of the drawn faces."""
SIZES = (10, 30, 100, 300)
"""Numbers of pictures per class, including those that are held out for validation."""
DRAWS = 3
"""Number of data sets of each size."""
TEST = 100
"""Number of test pictures per class."""
SCRATCH = (10, 30)
"""Numbers of pictures per class at which a network is trained from scratch too, on the first data set."""
SIDE = 96
"""Side of a picture in pixels."""
SCALE = 3
"""Factor by which a face is drawn larger than its picture; scaling it down makes its edges smooth."""


def draw_face(label, random):
    """Draw a face as a PIL image of mode RGB.

    Args:
        label: one of `CLASSES`.
        random: NumPy random generator.
    """
    ground, skin, hair = (random.integers(*tones, 3) for tones in ((20, 235), (110, 240), (20, 235)))
    dark = (skin * random.uniform(0.25, 0.7)).astype(int)
    ground, skin, hair, dark = (tuple(tones.tolist()) for tones in (ground, skin, hair, dark))
    image = Image.new("RGB", (SIDE * SCALE, SIDE * SCALE), ground)
    pen = _Pen(image, random)
    wide, tall = random.uniform(8, 10), random.uniform(10, 12.5)
    if random.random() < 0.7:
        pen.oval(0, -3, wide + 1.5, tall, hair)
    pen.oval(0, 0, wide, tall, skin)
    _draw_eyes(pen, label, dark)
    pen.line((0, -1), (random.uniform(-1, 1), 1.5), 0.3, dark)
    _draw_mouth(pen, label, dark)
    image = image.rotate(random.uniform(-18, 18), Image.Resampling.BICUBIC, fillcolor=ground)
    image = image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    image = image.filter(ImageFilter.GaussianBlur(random.uniform(0, 2.2)))
    light = np.linspace(*random.uniform(0.55, 1.25, 2), SIDE)
    shade = light[:, None] if random.random() < 0.5 else light[None]
    grain = random.normal(0, random.uniform(2, 28), (SIDE, SIDE, 1))
    return Image.fromarray(np.clip(np.asarray(image, float) * shade[..., None] + grain, 0, 255).astype(np.uint8))


class _Pen:
    """Pen that draws in the coordinates of a face, whose centre and size are random."""

    def __init__(self, image, random):
        self.draw, self.random, side = ImageDraw.Draw(image), random, image.width
        self.unit = side * random.uniform(0.022, 0.040)
        self.x, self.y = side * random.uniform(0.42, 0.58), side * random.uniform(0.40, 0.56)

    def box(self, x, y, wide, tall):
        left, top, right, bottom = x - wide, y - tall, x + wide, y + tall
        return (
            *(self.x + self.unit * left, self.y + self.unit * top),
            *(self.x + self.unit * right, self.y + self.unit * bottom),
        )

    def oval(self, x, y, wide, tall, fill):
        self.draw.ellipse(self.box(x, y, wide, tall), fill=fill)

    def line(self, start, end, width, fill):
        ends = [(self.x + self.unit * x, self.y + self.unit * y) for x, y in (start, end)]
        self.draw.line(ends, fill=fill, width=max(1, round(self.unit * width)))


def _draw_eyes(pen, label, dark):
    random = pen.random
    apart, up, lids = random.uniform(3.4, 4.4), random.uniform(2, 3.5), random.uniform(0.5, 1.1)
    closed = int(random.integers(2)) if label == "wink" else None
    for index, sign in enumerate((-1, 1)):
        x = sign * apart
        if index == closed:
            lid = pen.box(x, -up, 1.7, random.uniform(0.3, 0.9))
            pen.draw.arc(lid, 0, 180, fill=dark, width=max(1, round(pen.unit * 0.5)))
        else:
            pen.oval(x, -up, 1.7, lids + 0.2, (240, 240, 240))
            pen.oval(x + random.uniform(-0.5, 0.5), -up, 0.8, min(0.8, lids), dark)
        lift, slope = random.uniform(2, 3.2), random.uniform(-0.8, 0.8)
        brow = (x - 2, -up - lift - slope), (x + 2, -up - lift + slope)
        pen.line(*brow, random.uniform(0.3, 0.9), dark)
        if label == "glasses":
            width = max(1, round(pen.unit * random.uniform(0.25, 0.6)))
            pen.draw.ellipse(pen.box(x, -up, 2.9, 2.5), outline=dark, width=width)
    if label == "glasses":
        pen.line((2.9 - apart, -up), (apart - 2.9, -up), 0.35, dark)


def _draw_mouth(pen, label, dark):
    random = pen.random
    low, red = random.uniform(4.5, 6), tuple(random.integers((130, 40, 50), (200, 90, 100)).tolist())
    if label == "kiss":
        pen.oval(0, low, random.uniform(1, 1.6), random.uniform(0.9, 1.5), red)
        pen.oval(0, low, 0.4, 0.35, dark)
        return
    curve, breadth = random.uniform(-1, 2), random.uniform(2.5, 4.2)
    half = (0, 180) if curve > 0 else (180, 360)
    pen.draw.chord(pen.box(0, low, breadth, max(0.5, abs(curve))), *half, fill=dark)
    if label == "tongue":
        pen.oval(random.uniform(-1, 1), low + 1.1, random.uniform(0.9, 1.5), random.uniform(1.2, 2), red)


def draw_set(folder, per_class, seed):
    """Draw `per_class` pictures of each class into `folder/<class>/`."""
    random = np.random.default_rng(seed)
    for label in CLASSES:
        target = Path(folder, label)
        target.mkdir(parents=True, exist_ok=True)
        for number in range(per_class):
            draw_face(label, random).save(target / f"{number:03d}.jpg", quality=90)
    return Path(folder)


def train_on(data, output, *more):
    """Train a network as `python train.py --data DATA --classes …` does.

    Args:
        data: folder of the data set.
        output: folder of the run.
        more: further options of `train.py`.

    Returns:
        The plan that was followed, the network, and the seconds of the training.
    """
    from fer.cli.train_options import parse_options
    from fer.training.distributed import ALONE
    from fer.training.plan import make_plan
    from fer.training.train import train_network

    words = ["--data", str(data), "--output", str(output), "--classes", *CLASSES, *more]
    started = time.perf_counter()
    trained = train_network(make_plan(parse_options(words)), ALONE)
    return trained.plan, trained.network, time.perf_counter() - started


def measure(folder):
    """Train on each data set, and return one dict per run; `folder/measured.json` is written after each run."""
    from fer.data.faces import load_faces
    from fer.recognition.classification import classify

    file = folder / "measured.json"
    folder.mkdir(parents=True, exist_ok=True)
    rows = json.loads(file.read_text()) if file.exists() else []
    test = load_faces(draw_set(folder / "test", TEST, 0), "train", classes=CLASSES)
    rest = load_faces(folder / "test", "validation", classes=CLASSES)
    images, labels = (np.concatenate([getattr(faces, name) for faces in (test, rest)]) for name in ("images", "labels"))
    runs = [(size, draw, []) for draw in range(DRAWS) for size in SIZES]
    runs[len(SIZES) : len(SIZES)] = [(size, 0, ["--from-scratch"]) for size in SCRATCH]
    for size, draw, more in runs:
        name = "-".join([str(size), str(draw), *(word.strip("-") for word in more)])
        if any(row["name"] == name for row in rows):
            continue
        data = draw_set(folder / f"data-{size}-{draw}", size, [size, draw])
        plan, network, seconds = train_on(data, folder / name, *more)
        accuracy = float((classify(network, images[..., 0]).argmax(axis=1) == labels).mean())
        rows.append({"name": name, "per_class": size, "draw": draw, "from_scratch": bool(more), "accuracy": accuracy,
                     "seconds": round(seconds), "epochs": plan.recipe.epochs})  # fmt: skip
        print(rows[-1], flush=True)
        write_json(file, rows)
    return rows


def format_rows(rows):
    """Return the runs of `measure` as a Markdown table."""
    lines = []
    for size in SIZES:
        own = [row for row in rows if row["per_class"] == size and not row["from_scratch"]]
        scratch = [f"{row['accuracy']:.1%}" for row in rows if row["per_class"] == size and row["from_scratch"]]
        if own:
            accuracies = [row["accuracy"] for row in own]
            each = ", ".join(f"{accuracy:.1%}" for accuracy in accuracies)
            lines.append(
                [str(size), str(own[0]["epochs"]), f"{np.mean(accuracies):.1%}", each, scratch[0] if scratch else ""]
            )
    return table(["pictures per class", "epochs", "accuracy", "on each data set", "--from-scratch"], lines)


def main():
    """Run `python -m benchmarks.small_sets`."""
    parser = argparse.ArgumentParser("python -m benchmarks.small_sets", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    draw = commands.add_parser("draw", help="draw a data set")
    draw.add_argument("folder", metavar="FOLDER", type=Path)
    draw.add_argument("--per-class", type=int, default=30, metavar="N", help="(default: %(default)s)")
    draw.add_argument("--seed", type=int, default=1, metavar="N", help="(default: %(default)s)")
    commands.add_parser("measure", help="train and measure").add_argument("folder", metavar="FOLDER", type=Path)
    options = parser.parse_args()
    if options.command == "draw":
        if not is_new_or_empty(options.folder):
            parser.error(f"FOLDER must be new or empty. Received: {options.folder}")
        draw_set(options.folder, options.per_class, options.seed)
        print(f"{options.folder}: {options.per_class} pictures for each of the classes {', '.join(CLASSES)}")
    else:
        print(format_rows(measure(options.folder)))


if __name__ == "__main__":
    main()
