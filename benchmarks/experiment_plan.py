"""Plan of the extended original experiment: trainings of several networks on happy and sad faces, in their order.

Each row of `PLAN` is one training with `train.py`; `benchmarks.original_experiment` executes the plan.
"""

from dataclasses import dataclass, replace

TWO = "--classes happy sad"
"""Options that choose the two classes of the experiment."""
FIVE = "--classes angry disgust fear neutral surprise"
"""Options that choose FER2013's other five expressions; no picture is in both."""
ALL, FIVES, VALIDATION = 12_045, 16_664, 1_548
"""Numbers of training pictures of the two classes and of the five, and of validation pictures of the two."""
MIXED_PRECISION = "--mixed-precision"
"""Option of the rows that compute in bfloat16."""
WAYS = ("head", "block", "all", "scratch")
"""Ways to train on a number of pictures: the part of given weights that is tuned, or all from random weights."""
SEEDS = (1, 2)
"""Seeds of additional runs of the original network at 48 pixels, which trains in minutes."""
OVERHEAD = 1.5
"""Estimated minutes of a run without its epochs: start, measurement, export."""


@dataclass(frozen=True)
class Row:
    """A training of the plan.

    name: name of its folder below `--runs`.
    options: options of `train.py`. `{runs}` stands for the folder of the runs, `{imagenet}` for the file of
        EfficientNet-Lite0's weights.
    minutes: estimated minutes on 2 cores.
    needs: name of the row whose weights it starts from; "" for none.
    of: name of the row of the table that it repeats with another seed; its own name for the first; "" for others.
    why: reason why it may stay below 88%; "" if none is known.
    base: name of the weights of its curves; "" for a row that is on none.
    way: one of `WAYS`; "" for a row that is on no curve.
    pictures: number of training pictures of the two classes.
    """

    name: str
    options: str
    minutes: float
    needs: str = ""
    of: str = ""
    why: str = ""
    base: str = ""
    way: str = ""
    pictures: int = ALL


@dataclass(frozen=True)
class Schedule:
    """How the networks on the curves learn from a number of pictures.

    batch: pictures per step, at most.
    repeats: passes over the pictures in each epoch.
    tuning: epochs of the head. It is followed by as many epochs that tune a block or everything.
    scratch: epochs from scratch; 0 for all pictures, where the row of the table is on the curve.
    """

    batch: int
    repeats: int
    tuning: int
    scratch: int


SCHEDULES = {
    100: Schedule(batch=16, repeats=10, tuning=3, scratch=6),
    400: Schedule(batch=32, repeats=6, tuning=4, scratch=10),
    1_600: Schedule(batch=64, repeats=4, tuning=4, scratch=8),
    ALL: Schedule(batch=64, repeats=1, tuning=5, scratch=0),
}
"""Schedules by number of training pictures on the curves."""


@dataclass(frozen=True)
class Backbone:
    """How a backbone is trained in the plan.

    name: name of the network in `train.py`, and of its row.
    size: side of its input in pixels.
    epochs: number of epochs from scratch with all pictures.
    batch: pictures per step, at most.
    tuning: learning rate of what is tuned with the head, as it is typed.
    trained, tuned, answered: pictures per second on 2 idle cores (Intel Xeon without bfloat16) while all layers, or the
        last block and the head, are trained, and without training, in float32; measured over five seconds, for
        `minutes`.
    weights: name of the base weights of its curves, for the table and the figure.
    bfloat16: whether it computes in bfloat16.
    why: reason why its row from scratch may stay below 88%; "" if none is known.
    """

    name: str
    size: int
    epochs: int
    trained: float
    tuned: float
    answered: float
    weights: str = "the other five expressions"
    batch: int = 64
    tuning: str = "1e-4"
    bfloat16: bool = True
    why: str = ""

    @property
    def options(self):
        """Options of all its runs."""
        return f"--network {self.name} --image-size {self.size}{f' {MIXED_PRECISION}' if self.bfloat16 else ''}"

    def minutes(self, pictures, epochs, speed, features=0):
        """Return the estimated minutes of a run.

        Args:
            pictures: pictures per epoch.
            epochs: number of epochs that train more than the head.
            speed: pictures per second in them.
            features: pictures that go through the frozen base once.
        """
        seconds = epochs * (pictures / speed + VALIDATION / self.answered) + features / self.answered
        return round(seconds / 60 + OVERHEAD, 1)


RESNET50 = Backbone(
    "resnet50",
    48,
    epochs=20,
    trained=76,
    tuned=240,
    answered=297,
    why="it underfits: 84% of its training pictures too",
)
INCEPTION_V3 = Backbone("inception_v3", 75, epochs=20, trained=85, tuned=254, answered=320)
# Without batch normalization it has half the pictures per step, and its recipe a tenth of the others' learning rate.
VGG16 = Backbone("vgg16", 48, epochs=16, trained=43, tuned=109, answered=164, batch=32, tuning="3e-5")
# On processors with bfloat16 its depthwise convolutions are slower in it: 37 pictures per second instead of 61.
LITE0 = Backbone(
    "efficientnet_lite0",
    48,
    epochs=16,
    trained=45,
    tuned=236,
    answered=263,
    weights="ImageNet",
    bfloat16=False,
    why="it underfits: 80% of its training pictures too, and rises until the last epoch",
)


def list_first(backbone):
    """Return the row of a backbone from scratch on all pictures, which is in the table and on its curves."""
    options = f"{TWO} {backbone.options} --batch-size {backbone.batch} --epochs {backbone.epochs}"
    minutes = backbone.minutes(ALL, backbone.epochs, backbone.trained)
    facts = {"of": backbone.name, "base": curve_of(backbone), "way": "scratch", "why": backbone.why}
    return Row(backbone.name, options, minutes, **facts)


def curve_of(backbone):
    """Return the name of the curves of a backbone."""
    return f"{backbone.name} from {backbone.weights}"


def list_pretraining(backbone):
    """Return the row that learns the other five expressions, whose weights the curves of a backbone start from."""
    epochs = 8
    options = f"{FIVE} {backbone.options} --batch-size {backbone.batch} --epochs {epochs}"
    return Row(f"{backbone.name}-five", options, backbone.minutes(FIVES, epochs, backbone.trained))


def list_curves(backbone):
    """Return the rows of the curves of a backbone, the smallest numbers of pictures and the fastest ways first."""
    five = f"{backbone.name}-five" if backbone.weights != "ImageNet" else ""
    weights = f"{{runs}}/{five}/model.weights.h5" if five else "{imagenet}"
    rows = []
    for pictures, schedule in SCHEDULES.items():
        common = f"{TWO} {backbone.options} --batch-size {min(schedule.batch, backbone.batch)}"
        if pictures != ALL:
            common += f" --train-limit {pictures} --repeats {schedule.repeats}"
        shared = {"base": curve_of(backbone), "pictures": pictures}
        seen = pictures * schedule.repeats
        for way, speed in zip(WAYS[:3], (None, backbone.tuned, backbone.trained), strict=True):
            heads = f" --head-epochs {schedule.tuning} --tuning-rate {backbone.tuning}" if speed else ""
            total = schedule.tuning * (2 if speed else 1)
            options = f"{common} --weights {weights} --tune {way} --epochs {total}{heads}"
            tuned = (seen, schedule.tuning, speed) if speed else (0, 0, 1)
            minutes = backbone.minutes(*tuned, features=pictures + VALIDATION)
            rows.append(Row(f"{backbone.name}-{way}-{pictures}", options, minutes, five, way=way, **shared))
        if schedule.scratch:
            options = f"{common} --epochs {schedule.scratch}"
            minutes = backbone.minutes(seen, schedule.scratch, backbone.trained)
            rows.append(Row(f"{backbone.name}-scratch-{pictures}", options, minutes, way="scratch", **shared))
    return rows


def repeat_with_seeds(row):
    """Return a row, and the same with the seeds `SEEDS` instead of the recipe's own."""
    others = [replace(row, name=f"{row.name}-seed-{seed}", options=f"{row.options} --seed {seed}") for seed in SEEDS]
    return [row, *others]


def original(size, minutes):
    """Return the row of the original network at one input size."""
    name = f"original_cnn-{size}"
    return Row(name, f"{TWO} --network original_cnn --image-size {size}", minutes, of=name, why=ORIGINAL)


ORIGINAL = "the original recipe: two convolutions, plain SGD, 10 epochs, no augmentation"
"""Reason why the original network stays below the others."""
PLAN = [
    *repeat_with_seeds(original(48, 3)),
    Row("se_resnet", f"{TWO} --network se_resnet {MIXED_PRECISION}", 45, of="se_resnet"),
    *(list_first(backbone) for backbone in (RESNET50, INCEPTION_V3, VGG16, LITE0)),
    original(96, 8),
    original(244, 36),
    *list_curves(LITE0),
    *(
        row
        for backbone in (RESNET50, INCEPTION_V3, VGG16)
        for row in (list_pretraining(backbone), *list_curves(backbone))
    ),
]
"""Rows in the order in which they are trained: those of the table, in its order, and those of the curves."""
