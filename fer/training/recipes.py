"""How networks are trained: the numbers."""

import math
from dataclasses import dataclass

from fer.errors import UserError


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    epochs: passes over the training pictures.
    head_epochs: how many of them, the first, train the head alone on a frozen base; the others fine-tune the last part
        of the base with it (`fer.models.backbones.Backbone.joint`). 0: all epochs train the whole network.
    batch_size: pictures a step.
    optimizer: `adamw`, whose learning rate follows one cosine over all epochs; or `sgd`, plain, at one learning rate.
    learning_rate: the highest, which AdamW reaches after a tenth of the steps.
    tuning_rate: the same of the epochs that fine-tune a part of the base.
    weight_decay: AdamW's decoupled weight decay.
    augment: whether each epoch sees each picture varied, see `fer.training.augmentation.augmentation`; a frozen base
        never does.
    zoom: how much larger or smaller augmentation makes a picture at most, as a share.
    average: whether the weights kept are their exponential moving average over the last steps; with AdamW alone.
    whole_batches: leave out the pictures of an epoch that fill no batch.
    label_smoothing: share of each label spread over all classes.
    mixup: alpha of the Beta(alpha, alpha) that draws in what shares two pictures are laid over each other (Zhang et
        al., 2018); 0 mixes none.
    seed: of the weights, the order of pictures and the augmentation.
    """

    epochs: int = 24
    head_epochs: int = 0
    batch_size: int = 96
    optimizer: str = "adamw"
    learning_rate: float = 2e-3
    tuning_rate: float = 1e-4
    weight_decay: float = 0.05
    augment: bool = True
    zoom: float = 0.15
    average: bool = True
    whole_batches: bool = False
    label_smoothing: float = 0.1
    mixup: float = 0.2
    seed: int = 42

    def __post_init__(self):
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise UserError(f"`{name}` must be at least 1. Received: {getattr(self, name)}")
        if self.optimizer not in ("adamw", "sgd"):
            raise UserError(f"`optimizer` must be 'adamw' or 'sgd'. Received: {self.optimizer!r}")
        if not 0 <= self.head_epochs < self.epochs:
            raise UserError(
                f"`head_epochs` must be from 0 to below `epochs`, {self.epochs}. Received: {self.head_epochs}"
            )
        for name in ("learning_rate", "tuning_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise UserError(f"`{name}` must be a positive number. Received: {getattr(self, name)}")
        if self.average and self.optimizer == "sgd":
            raise UserError("`average` must be off but for 'adamw'. Received: 'sgd'")
        if not 0 <= self.zoom <= 1:
            raise UserError(f"`zoom` must be from 0 to 1. Received: {self.zoom}")
        if not 0 <= self.label_smoothing < 1:
            raise UserError(f"`label_smoothing` must be from 0 to below 1. Received: {self.label_smoothing}")
        if not 0 <= self.mixup < math.inf:
            raise UserError(f"`mixup` must be 0 or a positive number. Received: {self.mixup}")


RECIPES = {
    "se_resnet": Recipe(),
    "seed": Recipe(
        epochs=10,
        batch_size=32,
        optimizer="sgd",
        learning_rate=0.01,
        weight_decay=0.0,
        augment=False,
        average=False,
        whole_batches=True,
        label_smoothing=0.0,
        mixup=0.0,
    ),
    **dict.fromkeys(("inception_v3", "mobilenet", "resnet50"), Recipe(batch_size=64, learning_rate=1e-3, mixup=0.0)),
    # No batch normalization evens out what a high rate does to it.
    "vgg16": Recipe(batch_size=64, learning_rate=1e-4, mixup=0.0),
}
"""How each network of `fer.models.networks.NETWORKS` is trained from scratch, unless other settings are asked for. That
of `seed` is the original experiment's, with Keras' default learning rate for SGD; those of the backbones are not
tuned."""
TRANSFERS = {
    **dict.fromkeys(
        ("inception_v3", "resnet50", "vgg16"),
        Recipe(epochs=20, head_epochs=10, batch_size=64, learning_rate=1e-3, mixup=0.0),
    ),
    "mobilenet": Recipe(epochs=14, head_epochs=5, batch_size=64, learning_rate=1e-3, tuning_rate=3e-4, mixup=0.0),
}
"""How each backbone is trained whose base has weights already; of `mobilenet`'s base most is tuned, for longer than the
head. Nobody has tuned these numbers (docs/experiments.md has what became of `mobilenet`'s)."""
