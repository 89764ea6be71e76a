"""Plan of the extended original experiment: trainings of several networks on happy and sad faces, in their order.

Each row of `PLAN` is one training with `train.py`; `benchmarks.original_experiment` executes the plan.
"""

from dataclasses import dataclass

TWO = "--classes happy sad"
"""Options that choose the two classes of the experiment."""
FIVE = "--classes angry disgust fear neutral surprise"
"""Options that choose FER2013's other five expressions; no picture is in both."""
ALL, FIVES, VALIDATION = 12_045, 16_664, 1_548
"""Numbers of training pictures of the two classes and of the five, and of validation pictures of the two."""
WAYS = ("head", "block", "all", "scratch")
"""Ways to train on a number of pictures: the part of given weights that is tuned, or all from random weights."""
SCHEDULES = {100: (16, 30), 400: (32, 24), 1_600: (64, 16), ALL: (64, 8)}
"""Batch size and epochs of the head, by number of training pictures on the curves. The head is followed by as many
epochs that tune a block or everything."""
SCRATCH_EPOCHS = {100: 60, 400: 60, 1_600: 40}
"""Epochs from scratch, by number of training pictures. With all pictures, the row of the table is on the curve."""
DRAWS = (1, 2)
"""Seeds of additional samples of the smallest two sizes."""
SEEDS = (1, 2)
"""Seeds of additional runs of the original network, which takes only minutes."""
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
    why: reason why it may stay below 88 %; "" if none is known.
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
class Backbone:
    """How a backbone is trained in the plan.

    name: name of the network in `train.py`, and of its row.
    size: side of its input in pixels.
    epochs: number of epochs from scratch with all pictures.
    batch: pictures per step, at most.
    tuning: learning rate of what is tuned with the head, as it is typed.
    trained, tuned, answered: pictures per second on 2 idle cores while all layers, or the last block and the head, are
        trained, and without training. These are estimates for `minutes`, from the processor time of a few steps on a
        busy machine, scaled so that se_resnet has its 130 pictures per second. `tuned`, and `answered` of resnet50,
        were not measured.
    weights: name of the base weights of its curves, for the table and the figure.
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

    @property
    def options(self):
        """Options of all its runs."""
        return f"--network {self.name} --image-size {self.size} --mixed-precision"

    def minutes(self, pictures, epochs, speed, features=0):
        """Return the estimated minutes of a run; `features`: pictures that go through the frozen base once."""
        seconds = epochs * (pictures / speed + VALIDATION / self.answered) + features / self.answered
        return round(seconds / 60 + OVERHEAD, 1)


RESNET50 = Backbone("resnet50", 64, epochs=20, trained=45, tuned=130, answered=200)
INCEPTION_V3 = Backbone("inception_v3", 75, epochs=20, trained=66, tuned=170, answered=260)
# Without batch normalization it has half the pictures per step, and its recipe a tenth of the others' learning rate.
VGG16 = Backbone("vgg16", 48, epochs=20, trained=49, tuned=130, answered=190, batch=32, tuning="3e-5")
LITE0 = Backbone("efficientnet_lite0", 48, epochs=16, trained=38, tuned=140, answered=230, weights="ImageNet")


def list_first(backbone):
    """Return the row of a backbone from scratch on all pictures, which is in the table and on its curves."""
    options = f"{TWO} {backbone.options} --batch-size {backbone.batch} --epochs {backbone.epochs}"
    minutes = backbone.minutes(ALL, backbone.epochs, backbone.trained)
    return Row(backbone.name, options, minutes, of=backbone.name, base=curve_of(backbone), way="scratch")


def curve_of(backbone):
    """Return the name of the curves of a backbone."""
    return f"{backbone.name} from {backbone.weights}"


def list_pretraining(backbone):
    """Return the row that learns the other five expressions, whose weights the curves of a backbone start from."""
    epochs = 12
    options = f"{FIVE} {backbone.options} --batch-size {backbone.batch} --epochs {epochs}"
    return Row(f"{backbone.name}-five", options, backbone.minutes(FIVES, epochs, backbone.trained))


def list_curves(backbone, sizes=tuple(SCHEDULES), draws=(None,)):
    """Return the rows of the curves of a backbone, the smallest sizes and the fastest ways first.

    Args:
        backbone: a `Backbone`.
        sizes: numbers of training pictures.
        draws: seeds of the samples; None for the default.
    """
    five = f"{backbone.name}-five" if backbone.weights != "ImageNet" else ""
    weights = f"{{runs}}/{five}/model.weights.h5" if five else "{imagenet}"
    rows = []
    for pictures in sizes:
        batch, epochs = SCHEDULES[pictures]
        for draw in draws:
            sample = "" if pictures == ALL else f" --train-limit {pictures}"
            sample += "" if draw is None else f" --draw {draw}"
            tail = f"{pictures}" + ("" if draw is None else f"-draw-{draw}")
            common = f"{TWO} {backbone.options} --batch-size {min(batch, backbone.batch)}{sample}"
            shared = {"base": curve_of(backbone), "pictures": pictures}
            for way in WAYS[:3]:
                heads = "" if way == "head" else f" --head-epochs {epochs} --tuning-rate {backbone.tuning}"
                total = epochs if way == "head" else 2 * epochs
                options = f"{common} --weights {weights} --tune {way} --epochs {total}{heads}"
                speed = {"head": None, "block": backbone.tuned, "all": backbone.trained}[way]
                tuned = (pictures, epochs, speed) if speed else (0, 0, 1)
                minutes = backbone.minutes(*tuned, features=pictures + VALIDATION)
                rows.append(Row(f"{backbone.name}-{way}-{tail}", options, minutes, five, way=way, **shared))
            if pictures != ALL:
                longer = SCRATCH_EPOCHS[pictures]
                options = f"{common} --epochs {longer}"
                minutes = backbone.minutes(pictures, longer, backbone.trained)
                rows.append(Row(f"{backbone.name}-scratch-{tail}", options, minutes, way="scratch", **shared))
    return rows


def list_original(size, minutes, seeds=(None,)):
    """Return the rows of the original network at one input size, one for each seed; None is the recipe's own."""
    name = f"original_cnn-{size}"
    options = f"{TWO} --network original_cnn --image-size {size}"
    return [
        Row(
            name if seed is None else f"{name}-seed-{seed}",
            options if seed is None else f"{options} --seed {seed}",
            minutes,
            of=name,
            why=ORIGINAL,
        )
        for seed in seeds
    ]


ORIGINAL = "the original recipe: two convolutions, plain SGD, 10 epochs, no augmentation"
"""Reason why the original network stays below the others."""
SMALL = tuple(size for size in SCHEDULES if size <= 400)
"""Sizes of which several samples are drawn."""
PLAN = [
    *list_original(48, 3, (None, *SEEDS)),
    *list_curves(LITE0, SMALL),
    list_first(RESNET50),
    list_first(INCEPTION_V3),
    list_first(VGG16),
    *list_original(244, 36),
    Row("se_resnet", f"{TWO} --network se_resnet --mixed-precision", 40, of="se_resnet"),
    list_pretraining(RESNET50),
    *list_curves(RESNET50),
    list_first(LITE0),
    *list_curves(LITE0, [size for size in SCHEDULES if size not in SMALL]),
    *list_curves(RESNET50, SMALL, DRAWS),
    list_pretraining(INCEPTION_V3),
    *list_curves(INCEPTION_V3),
    list_pretraining(VGG16),
    *list_curves(VGG16),
]
"""Rows in the order in which they are trained: first the fast ones and those of the table, then the curves of two
backbones, and last those of the other two."""
