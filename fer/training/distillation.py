"""Knowledge distillation: a student network learns from the answers of teacher networks (Hinton et al., 2015)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
from keras import layers, ops

from fer.errors import UserError
from fer.models.model_folder import find_model, load_model

WEIGHT = 0.9
"""Weight of the teachers in the loss, from 0 to 1. The labels have the remaining weight, which is "considerably lower"
(Hinton et al., 2015, arXiv:1503.02531). It was not tuned."""
TEMPERATURE = 2.0
"""Temperature by which the logits of student and teachers are divided in the teachers' part of the loss, so that small
probabilities count as well. It was not tuned."""


def load_teachers(
    names: Sequence[str], labels: tuple[str, ...], image_size: int, enlarged: int | None = None
) -> tuple[list[keras.Model], list[dict[str, Any]]]:
    """Load the teacher networks.

    Args:
        names: model folders, or `bundled`.
        labels: labels of the student, in order.
        image_size: side of the student's input in pixels.
        enlarged: side in pixels to which the student enlarges its input, and to which its pictures are enlarged before
            training; None if it does not. Its teachers must take pictures of this side, or enlarge theirs as it does.

    Returns:
        The Keras networks, float32 and frozen, which take the pictures that the student is trained on, and one dict per
        network with the facts to record: its `name`, the `sha256` of its weights, and `training` of its
        `fer.models.config.ModelConfig`.

    Raises:
        UserError: if a folder does not fit, or if labels or sizes differ from the student's.
    """
    teachers, facts = [], []
    for name in names:
        teacher, config = load_model(name)
        alike = enlarged and (config.image_size, config.options.get("enlarged")) == (image_size, enlarged)
        if config.labels != labels or not (alike or config.image_size == (enlarged or image_size)):
            wanted = (
                f"{image_size} pixels, enlarged to {enlarged}, or in {enlarged}" if enlarged else f"{image_size} pixels"
            )
            raise UserError(
                f"`--teacher` must tell {', '.join(labels)} apart in {wanted}. "
                f"Received: {name} with {', '.join(config.labels)} in {config.image_size} pixels"
            )
        if alike:
            teacher = _without_enlargement(teacher, config)
        teacher.trainable = False
        teachers.append(teacher)
        facts.append(
            {"name": find_model(name).resolve().name, "sha256": config.weights.sha256, "training": config.training}
        )
    return teachers, facts


def _without_enlargement(network, config):
    """Return a network with the same weights that takes pictures that are enlarged already."""
    enlarged = config.options["enlarged"]
    inner = replace(config, image_size=enlarged, options={**config.options, "enlarged": None}).build()
    inner.set_weights(network.get_weights())
    return inner


def build_student(network: keras.Model, teachers: Sequence[keras.Model], varied: Sequence[layers.Layer]) -> keras.Model:
    """Build the model to fit, in which the student and its teachers see the same augmented pictures.

    Distillation is consistent only if student and teachers see the same crop and the same mixup (Beyer et al., 2022,
    arXiv:2106.05237). Neither the model nor its checkpoints contain the weights of the teachers.

    Args:
        network: Keras network, the student, which returns probabilities.
        teachers: Keras networks as `load_teachers` returns them.
        varied: augmentation layers as `fer.training.augmentation.build_augmentation` returns them.

    Returns:
        A Keras model. Its loss in training is (1 - `WEIGHT`) times the compiled loss plus `WEIGHT` times
        `distillation_loss`. In evaluation it is the compiled loss alone, which can be compared with the loss of a
        network without teachers.
    """
    images = x = keras.Input(network.input_shape[1:])
    for layer in varied:
        x = layer(x)
    return Student(images, DistillationLoss(teachers, dtype="float32")([x, network(x)]))


def distillation_loss(expected: keras.KerasTensor, answered: keras.KerasTensor) -> keras.KerasTensor:
    """Return the distance of a student from its teachers.

    It is the Kullback-Leibler divergence of both at `TEMPERATURE`, times the square of `TEMPERATURE`, which keeps the
    size of the gradients (Hinton et al., 2015, section 2).

    Args:
        expected: float32 probabilities `(n, classes)` of the teachers.
        answered: float32 probabilities `(n, classes)` of the student.

    Returns:
        The mean over the pictures, a scalar in nats.
    """
    return TEMPERATURE**2 * ops.mean(keras.losses.kl_divergence(_soften(expected), _soften(answered)))


class DistillationLoss(layers.Layer):
    """Layer that adds the teachers' part of the loss in training.

    Inputs are augmented pictures and the student's probabilities for them; the output is these probabilities.

    Args:
        teachers: Keras networks.
    """

    def __init__(self, teachers, **kwargs):
        super().__init__(**kwargs)

        def average_teachers(images):
            return sum(teacher(images, training=False) for teacher in teachers) / len(teachers)

        # Keras does not find the teachers inside a function, so it neither trains nor saves them.
        self.average_teachers = average_teachers

    def call(self, inputs, training=False):
        images, answered = inputs
        if training:
            self.add_loss(WEIGHT * distillation_loss(ops.stop_gradient(self.average_teachers(images)), answered))
        return answered

    def compute_output_shape(self, input_shape):
        return input_shape[1]


class Student(keras.Model):
    """Keras model whose loss weighs labels and teachers in training, and is the compiled loss in evaluation."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if not training:
            return loss
        distillation = sum(self.losses)
        return (1 - WEIGHT) * (loss - distillation) + distillation


def _soften(probabilities):
    """Return probabilities with their logits divided by `TEMPERATURE`."""
    return ops.softmax(ops.log(ops.maximum(probabilities, keras.config.epsilon())) / TEMPERATURE)
