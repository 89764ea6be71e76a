"""Probabilities that mean what they say: logit adjustment, temperature scaling, and a threshold for "not sure".

Answering needs `Calibration` alone; the rest chooses its numbers on validation pictures.
"""

import math
from dataclasses import dataclass

import numpy as np

from fer.errors import UserError

TEMPERATURES = (0.1, 10.0)
"""What a temperature may be: at either end hardly anything of the network's own confidence is left."""
MAX_PRIOR_EXPONENT = 2.0
"""Largest exponent of the class shares; 1 undoes the whole effect of unequal shares in training."""


@dataclass(frozen=True)
class Calibration:
    """How a network's probabilities are corrected and judged.

    temperature: number by which the logits are divided; 1 leaves the probabilities as they are.
    threshold: 0-1, an answer whose corrected top probability is below it is "not sure"; 0 is sure of every answer,
        which is all that can be said of a model that was never calibrated.
    prior_exponent: exponent of `class_shares`, by whose power the probabilities are divided before the temperature
        (logit adjustment: Menon et al., 2021, "Long-tail learning via logit adjustment", arXiv:2007.07314); 0 leaves
        them as they are.
    class_shares: share of each class in training, in the order of the labels; above 0, they sum to 1. May be empty
        where `prior_exponent` is 0.
    """

    temperature: float = 1.0
    threshold: float = 0.0
    prior_exponent: float = 0.0
    class_shares: tuple[float, ...] = ()

    def __post_init__(self):
        low, high = TEMPERATURES
        rules = (
            ("temperature", low, high),
            ("threshold", 0.0, 1.0),
            ("prior_exponent", 0.0, MAX_PRIOR_EXPONENT),
        )
        for name, least, most in rules:
            value = getattr(self, name)
            if not _is_number(value) or not least <= value <= most:
                raise UserError(f"`{name}` must be a number from {least} to {most}. Received: {value!r}")
        object.__setattr__(self, "class_shares", tuple(self.class_shares))
        if self.prior_exponent and not self.class_shares:
            raise UserError("`prior_exponent` needs the `class_shares` of training. Received: none")
        positive = all(_is_number(share) and share > 0 for share in self.class_shares)
        if self.class_shares and not (positive and math.isclose(sum(self.class_shares), 1, abs_tol=1e-6)):
            raise UserError(f"`class_shares` must be above 0 and sum to 1. Received: {self.class_shares!r}")

    @property
    def divisors(self):
        """float64 `(classes,)` by which the probabilities are divided before the temperature; None for none."""
        return np.power(self.class_shares, self.prior_exponent) if self.prior_exponent else None

    def apply(self, probabilities):
        """Return the network's probabilities `(n, classes)`, corrected, of the same dtype."""
        probabilities = np.asarray(probabilities)
        if self.prior_exponent:
            adjusted = probabilities / self.divisors
            probabilities = (adjusted / adjusted.sum(axis=1, keepdims=True)).astype(probabilities.dtype)
        return temper(probabilities, self.temperature)

    def undo(self, probabilities):
        """Return the network's own probabilities `(n, classes)`, float32, of those that `apply` corrected."""
        answered = temper(np.asarray(probabilities, np.float64), 1 / self.temperature)
        if self.prior_exponent:
            answered = answered * self.divisors
            answered /= answered.sum(axis=1, keepdims=True)
        return answered.astype(np.float32)

    def confident(self, probabilities):
        """Return whether corrected probabilities `(n, classes)` make an answer: bool `(n,)`; False is "not sure"."""
        return np.max(probabilities, axis=1) >= self.threshold

    def without_correction(self):
        """Return the same threshold for probabilities that are corrected already, as those of an export are."""
        return Calibration(threshold=self.threshold)


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


UNCALIBRATED = Calibration()


def temper(probabilities, temperature):
    """Probabilities as the softmax of logits divided by a temperature (Guo et al., 2017, "On Calibration of Modern
    Neural Networks", arXiv:1706.04599); the order of the classes stays.

    Args:
        probabilities: float array `(n, classes)`, rows sum to 1.
        temperature: above 1 makes them less sure.

    Returns:
        Array of the same shape and dtype. Softmax forgets a constant, so the logarithms serve as logits.
    """
    logits = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.asarray(probabilities).dtype)
