"""Comparison of `fer.training.fit.fit` with a plain `model.fit` of the same network, optimizer and augmentation."""

import tempfile
from dataclasses import replace

import keras
import numpy as np

from benchmarks.tables import RUNS, spread
from fer.data.faces import load_faces
from fer.models.networks import build_network
from fer.training.augmentation import build_augmentation
from fer.training.callbacks import EpochSeconds
from fer.training.fit import Run, TrainingData, fit
from fer.training.recipes import RECIPES
from fer.training.targets import one_hot

PICTURES = 2400
"""Number of training pictures."""


def measure_training_overhead(data):
    """Measure both, and return a paragraph; `data` is FER2013, as `fer.data.faces.load_faces` takes it."""
    train, validation = load_faces(data, "train", limit=PICTURES), load_faces(data, "validation", limit=96)
    # Without mixup and averaging, which a plain `model.fit` does not have.
    recipe = replace(RECIPES["se_resnet"], epochs=2, mixup=0.0, average=False)
    ours, bare = [], []
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        for _ in range(RUNS):
            bare.append(PICTURES / fit_bare(train, validation, recipe))
            with tempfile.TemporaryDirectory() as folder:
                history = fit(build_network("se_resnet", 48, 7), TrainingData(train, validation), recipe, Run(folder))
            ours.append(PICTURES / history[-1]["seconds"])
    finally:
        keras.config.set_dtype_policy("float32")
    ratios = [other / one for one, other in zip(ours, bare, strict=True)]
    return f"""\
Training of the bundled network in bfloat16, the second epoch of {PICTURES:,} pictures, with validation on
{len(validation)}, the epoch's checkpoints and logs: {spread(ours, 0)} pictures per second; a bare `model.fit` on arrays
with the same augmentation and optimizer: {spread(bare, 0)}. Run by run, ours takes {spread(ratios, 2)}
times as long.
Checkpoints cost the same in every epoch; one of all 28,709 pictures has twelve times the steps."""


def fit_bare(train, validation, recipe):
    """Train with a plain `model.fit`, and return the seconds of the second epoch."""
    network = build_network("se_resnet", 48, 7)
    model = keras.Sequential(
        [keras.Input((48, 48, 1)), *build_augmentation(recipe.seed, recipe.zoom, recipe.degrade), network]
    )
    optimizer = keras.optimizers.AdamW(recipe.learning_rate, weight_decay=recipe.weight_decay)
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
    clock = EpochSeconds(0.0)
    history = model.fit(
        train.images.astype(np.float32),
        one_hot(train),
        recipe.batch_size,
        recipe.epochs,
        validation_data=(validation.images.astype(np.float32), one_hot(validation)),
        verbose=0,
        callbacks=[clock],
    )
    return history.history["seconds"][-1]
