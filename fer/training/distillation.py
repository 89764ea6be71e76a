"""Knowledge distillation: a network learns what trained networks, its teachers, answer (Hinton et al., 2015)."""

import keras
from keras import layers, ops

from fer.errors import UserError
from fer.models.model_folder import find_model, load_config, load_model

WEIGHT = 0.9
"""Share of the loss that the teachers have; the labels have the rest, a "considerably lower weight" (Hinton et al.,
2015, arXiv:1503.02531). Not tuned."""
TEMPERATURE = 2.0
"""Divides the logits of student and teachers in their part of the loss, so that small probabilities teach as well. Not
tuned."""


def load_teachers(names, labels, image_size):
    """Loads networks to learn from.

    Args:
        names: model folders, or `bundled`.
        labels: of the student, in order.
        image_size: side of the student's input in pixels.

    Returns:
        The Keras networks, float32 and frozen, and the facts to keep of them: for each its `name`, the `sha256` of its
        weights and its `training`, as `fer.models.model_folder.ModelConfig` has it.

    Raises:
        UserError: if a folder does not fit, or its labels or image size are not the student's.
    """
    teachers, facts = [], []
    for name in names:
        teacher, config = load_model(name)
        if (config.labels, config.image_size) != (labels, image_size):
            raise UserError(
                f"`--teacher` must tell {', '.join(labels)} apart in {image_size} pixels. "
                f"Received: {name} with {', '.join(config.labels)} in {config.image_size} pixels"
            )
        teacher.trainable = False
        teachers.append(teacher)
        folder = find_model(name)
        sha256 = load_config(folder)[1]["sha256"]
        facts.append({"name": folder.resolve().name, "sha256": sha256, "training": config.training})
    return teachers, facts


def build_student(network, teachers, varied):
    """A model to fit: in training, `network` and the teachers see the same varied pictures.

    That student and teachers see the same crop, mixed the same way, is what makes teaching consistent (Beyer et al.,
    2022, arXiv:2106.05237). The teachers are no part of the model: neither of its weights nor of its checkpoints.

    Args:
        network: Keras network whose answers are probabilities.
        teachers: of `load_teachers`.
        varied: layers that vary pictures in training, of `fer.training.augmentation.augmentation`.

    Returns:
        A Keras model whose loss in training is (1 - `WEIGHT`) times the compiled one plus `WEIGHT` times the teachers';
        in evaluation it is the compiled one alone, to be compared with that of a network without teachers.
    """
    images = x = keras.Input(network.input_shape[1:])
    for layer in varied:
        x = layer(x)
    return Student(images, Lesson(teachers, dtype="float32")([x, network(x)]))


def teaching_loss(taught, answered):
    """How far a student is from its teachers.

    The Kullback-Leibler divergence of both at `TEMPERATURE`, times its square, which keeps the gradients' size
    (Hinton et al., 2015, section 2).

    Args:
        taught, answered: float32 probabilities `(n, classes)` of teachers and student.

    Returns:
        Mean over the pictures, a scalar in nats.
    """
    return TEMPERATURE**2 * ops.mean(keras.losses.kl_divergence(_soften(taught), _soften(answered)))


class Lesson(layers.Layer):
    """Answers the second of its inputs, varied pictures and the student's probabilities for them.

    In training it adds the teachers' part of the loss.
    """

    def __init__(self, teachers, **kwargs):
        super().__init__(**kwargs)
        # In a function Keras does not find the teachers, so that it neither trains nor saves them.
        self.teach = lambda images: sum(teacher(images, training=False) for teacher in teachers) / len(teachers)

    def call(self, inputs, training=False):
        images, answered = inputs
        if training:
            self.add_loss(WEIGHT * teaching_loss(ops.stop_gradient(self.teach(images)), answered))
        return answered

    def compute_output_shape(self, input_shape):
        return input_shape[1]


class Student(keras.Model):
    """Weighs the labels' part of the loss and the teachers'; in evaluation the labels have all of it."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if not training:
            return loss
        taught = sum(self.losses)
        return (1 - WEIGHT) * (loss - taught) + taught


def _soften(probabilities):
    return ops.softmax(ops.log(ops.maximum(probabilities, keras.config.epsilon())) / TEMPERATURE)
