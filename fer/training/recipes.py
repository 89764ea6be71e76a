"""Recipes: the hyperparameters with which each network is trained."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from fer.errors import check

TUNES = ("head", "block", "all")
"""Values of `Recipe.tune`: parts of a backbone that are trained if its base starts from pretrained weights."""


def _option(default, metavar, text, shown=True):
    """Return a field that is also an option of the training command, with its help, and its default if `shown`."""
    return field(default=default, metadata={"metavar": metavar, "help": text, "shown": shown})


@dataclass(frozen=True)
class Recipe:
    """Hyperparameters of a training.

    epochs: number of epochs; the network is measured after each.
    repeats: passes over the training pictures in each epoch. With few pictures, more passes spare measurements.
    head_epochs: number of first epochs that train only the head, on a frozen base; the other epochs also train the part
        of the base that `tune` selects. 0: all epochs train the whole network.
    tune: part of a pretrained base that is fine-tuned together with the head: `head`, no part, so that all epochs train
        only the head; `block`, its last block (`Backbone.last_frozen_layer` of `fer.models.registry`); `all`, the whole
        base.
    batch_size: pictures per step.
    optimizer: `adamw`, whose learning rate follows one cosine over all epochs; or `sgd` with a constant learning rate.
    learning_rate: highest learning rate, which AdamW reaches after a tenth of the steps.
    tuning_rate: highest learning rate of the epochs that fine-tune a part of the base.
    weight_decay: AdamW's decoupled weight decay.
    augment: whether pictures are augmented in each epoch (`fer.training.augmentation`); the epochs with a frozen base
        never augment.
    zoom: largest change of scale by augmentation, as a share.
    degrade: probability of each loss of quality by augmentation: blur or coarser pixels, noise, and JPEG compression.
    average: whether the exponential moving average of the weights over the last steps is kept; with AdamW only.
    drop_remainder: whether the pictures of an epoch that do not fill a batch are left out.
    label_smoothing: share of each label that is spread over all classes.
    votes_share: weight of the votes in the targets of pictures with votes; the label has the remaining weight.
    mixup: alpha of the distribution Beta(alpha, alpha) from which the shares of two mixed pictures are drawn (Zhang et
        al., 2018); 0 mixes none.
    seed: seed of the weights, the order of pictures and the augmentation.
    """

    epochs: int = _option(24, "N", "number of epochs; the network is measured after each")
    repeats: int = _option(1, "N", "passes over the training pictures in each epoch")
    head_epochs: int = _option(0, "N", "number of first epochs that train only the head; with --weights", shown=False)
    tune: str = _option(
        "block",
        "head|block|all",
        "part of a backbone that is trained with --weights: only the head, the head and the last block, or everything",
        shown=False,
    )
    batch_size: int = _option(96, "N", "pictures per step")
    optimizer: str = "adamw"
    learning_rate: float = _option(2e-3, "X", "highest learning rate of the schedule")
    tuning_rate: float = _option(
        1e-4, "X", "highest learning rate of the epochs that fine-tune a base; with --weights", shown=False
    )
    weight_decay: float = 0.05
    augment: bool = _option(True, None, "do not augment the pictures")
    zoom: float = _option(0.15, "SHARE", "largest change of scale by augmentation")
    degrade: float = _option(0.0, "SHARE", "probability of blur, of noise, and of JPEG compression; 0: none")
    average: bool = _option(True, None, "keep the plain weights instead of their moving average")
    drop_remainder: bool = False
    label_smoothing: float = _option(
        0.1, "SHARE", "share of each label that is spread over all classes; 0 with --votes"
    )
    votes_share: float = _option(
        0.7, "SHARE", "weight of the votes in the targets, from 0 (only the label) to 1; with --votes"
    )
    mixup: float = _option(0.2, "ALPHA", "alpha of mixup, which mixes pictures in pairs; 0 mixes none")
    seed: int = _option(42, None, "seed of weights, order and augmentation")

    def __post_init__(self):
        for name in ("epochs", "repeats", "batch_size"):
            check(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        check(self.optimizer in ("adamw", "sgd"), "optimizer", "'adamw' or 'sgd'", repr(self.optimizer))
        check(self.tune in TUNES, "tune", "'head', 'block' or 'all'", repr(self.tune))
        if self.tune == "head":
            rule = f"the same as `epochs`, {self.epochs}, if only the head is trained"
            check(self.head_epochs == self.epochs, "head_epochs", rule, self.head_epochs)
        else:
            rule = f"at least 0 and below `epochs`, {self.epochs}"
            check(0 <= self.head_epochs < self.epochs, "head_epochs", rule, self.head_epochs)
        for name in ("learning_rate", "tuning_rate"):
            check(0 < getattr(self, name) < math.inf, name, "a positive number", getattr(self, name))
        check(not self.average or self.optimizer == "adamw", "average", "off without 'adamw'", repr(self.optimizer))
        for name in ("zoom", "degrade", "votes_share"):
            check(0 <= getattr(self, name) <= 1, name, "from 0 to 1", getattr(self, name))
        check(0 <= self.label_smoothing < 1, "label_smoothing", "from 0 to below 1", self.label_smoothing)
        check(0 <= self.seed < 2**32, "seed", "from 0 to 4294967295", self.seed)
        check(0 <= self.mixup < math.inf, "mixup", "0 or a positive number", self.mixup)

    def to_record(self) -> dict[str, Any]:
        """Return the recipe as a JSON object, in which `drop_remainder` has its earlier name, `whole_batches`."""
        return {"whole_batches" if name == "drop_remainder" else name: value for name, value in asdict(self).items()}


RECIPES = {
    "se_resnet": Recipe(),
    "original_cnn": Recipe(
        epochs=10,
        batch_size=32,
        optimizer="sgd",
        learning_rate=0.01,
        weight_decay=0.0,
        augment=False,
        average=False,
        drop_remainder=True,
        label_smoothing=0.0,
        mixup=0.0,
    ),
    **dict.fromkeys(
        ("efficientnet_lite0", "inception_v3", "mobilenet", "resnet50"),
        Recipe(batch_size=64, learning_rate=1e-3, mixup=0.0),
    ),
    # A lower learning rate, because VGG16 has no batch normalization, with which the others tolerate a higher one.
    "vgg16": Recipe(batch_size=64, learning_rate=1e-4, mixup=0.0),
}
"""Recipes by network, for training from scratch; options change single values. The recipe of `original_cnn` is that of
the original experiment, with Keras' default learning rate for SGD. The recipes of the backbones were not tuned."""
TRANSFERS = {
    **dict.fromkeys(
        ("efficientnet_lite0", "inception_v3", "resnet50", "vgg16"),
        Recipe(epochs=20, head_epochs=10, batch_size=64, learning_rate=1e-3, mixup=0.0),
    ),
    "mobilenet": Recipe(epochs=14, head_epochs=5, batch_size=64, learning_rate=1e-3, tuning_rate=3e-4, mixup=0.0),
}
"""Recipes by backbone, for a base that starts from pretrained weights. Most of `mobilenet`'s base is fine-tuned, for
longer than the head. These values were not tuned (docs/transfer.md has the results with `mobilenet`)."""


def find_recipe(network: str, transfer: bool = False) -> Recipe:
    """Return the recipe of a network.

    Args:
        network: name of the network.
        transfer: whether its base starts from pretrained weights.

    Raises:
        UserError: if the network has no such recipe.
    """
    recipes = TRANSFERS if transfer else RECIPES
    table = "TRANSFERS" if transfer else "RECIPES"
    check(network in recipes, "network", f"one with a recipe in {table} of fer/training/recipes.py", repr(network))
    return recipes[network]
