"""The batches that a network is trained on."""

import math

import keras
import numpy as np

from fer.training.distributed import ALONE
from fer.training.targets import one_hot


class FaceBatches(keras.utils.PyDataset):
    """Batches of float32 pictures `(n, size, size, 1)`, or features that stand for them, and targets `(n, classes)`, by
    default one-hot labels.

    Order and mixup are functions of the seed and the epoch alone, so that a resumed run sees what an uninterrupted one
    does, and several processes together what one does: each has its own rows of the same batches.
    """

    def __init__(self, faces, batch_size, seed, shuffle, targets=None, mixup=0.0, whole=False, group=ALONE):
        super().__init__()
        self.targets = (one_hot(faces) if targets is None else targets).astype("float32")
        self.faces, self.batch_size, self.seed, self.shuffle = faces, batch_size, seed, shuffle
        self.mixup, self.whole, self.group = mixup, whole, group
        self.start_epoch(0)

    def __len__(self):
        if self.whole:
            return max(1, len(self.faces) // self.batch_size)
        return math.ceil(len(self.faces) / self.batch_size)

    def __getitem__(self, index):
        chosen = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        own = self.group.rows(len(chosen), self.batch_size)
        images, targets = self._read(chosen[own])
        if not self.mixup:
            return images, targets
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

    def start_epoch(self, epoch):
        """Draws the order of the pictures for `epoch`."""
        self.epoch = epoch
        self.order = np.arange(len(self.faces))
        if self.shuffle:
            np.random.default_rng((self.seed, epoch)).shuffle(self.order)
