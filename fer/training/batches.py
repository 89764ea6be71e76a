"""Batches of pictures and targets for training and validation."""

import math

import keras
import numpy as np

from fer.data.faces import Faces
from fer.training.distributed import ALONE, Group
from fer.training.targets import one_hot


class FaceBatches(keras.utils.PyDataset):
    """Batches of float32 pictures `(n, size, size, 1)`, or of features computed from them, and targets `(n, classes)`.

    Order and mixup depend on the seed and the epoch alone: a resumed run gets the batches of an uninterrupted one, and
    each process of a group gets its own rows of the batches that one process gets.

    In a group each batch also has sample weights `(n,)`. If the devices do not divide a batch, the last picture is
    repeated with weight 0; the other weights compensate for it, so that Keras' mean over rows is the mean over
    pictures.

    Args:
        faces: pictures with their labels.
        batch_size: pictures per batch of all processes together.
        seed: seed of order and mixup.
        shuffle: whether each epoch has its own order.
        targets: float array `(n, classes)`; by default one-hot labels.
        mixup: alpha of the beta distribution that mixes pictures; 0 mixes none.
        repeats: passes over the faces in each epoch.
        drop_remainder: whether to leave out the pictures of an epoch that do not fill a batch. A group always does when
            it shuffles, because rows that repeat a picture would count in batch normalization.
        group: processes that train together.
    """

    def __init__(
        self,
        faces: Faces,
        batch_size: int,
        seed: int,
        *,
        shuffle: bool,
        targets: np.ndarray | None = None,
        mixup: float = 0.0,
        repeats: int = 1,
        drop_remainder: bool = False,
        group: Group = ALONE,
    ):
        super().__init__()
        self.targets = (one_hot(faces) if targets is None else targets).astype("float32")
        self.faces, self.batch_size, self.seed, self.shuffle = faces, batch_size, seed, shuffle
        self.mixup, self.repeats = mixup, repeats
        self.drop_remainder, self.group = drop_remainder or (shuffle and group.size > 1), group
        self.start_epoch(0)

    def __len__(self):
        if self.drop_remainder:
            return max(1, len(self.order) // self.batch_size)
        return math.ceil(len(self.order) / self.batch_size)

    def __getitem__(self, index):
        chosen = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        rows = self.group.rows(len(chosen))
        own = np.minimum(rows, len(chosen) - 1)
        images, targets = self._read(chosen[own])
        if self.mixup:
            images, targets = self._mix(index, chosen, own, images, targets)
        if self.group.size == 1:
            return images, targets
        pictures = min(len(self) * self.batch_size, len(self.order))
        weight = self.group.pad(pictures) / pictures
        return images, targets, np.where(rows < len(chosen), weight, 0).astype("float32")

    def _mix(self, index, chosen, own, images, targets):
        """Mix a process' rows `own` of the batch `chosen` with other pictures of that batch."""
        random = np.random.default_rng((self.seed, self.epoch, index))
        shares = random.beta(self.mixup, self.mixup, len(chosen)).astype("float32")[own]
        others = random.permutation(len(chosen))[own]

        def mix(values, other_values):
            share = shares.reshape(-1, *[1] * (values.ndim - 1))
            return share * values + (1 - share) * other_values

        other_images, other_targets = self._read(chosen[others])
        return mix(images, other_images), mix(targets, other_targets)

    def _read(self, indices):
        return self.faces.images[indices].astype("float32"), self.targets[indices]

    def start_epoch(self, epoch: int) -> None:
        """Draw the order of the pictures for `epoch`: each pass over them has its own."""
        self.epoch = epoch
        passes = np.tile(np.arange(len(self.faces)), (self.repeats, 1))
        if self.shuffle:
            random = np.random.default_rng((self.seed, epoch))
            for each in passes:
                random.shuffle(each)
        self.order = passes.ravel()
