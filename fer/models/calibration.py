"""Calibration of a network's probabilities: logit adjustment, temperature scaling, and a threshold for "not sure".

`fer.evaluation.confidence` fits its parameters on the validation split.
"""

import math
from dataclasses import dataclass

import numpy as np

from fer.errors import UserError

TEMPERATURES = (0.1, 10.0)
"""Smallest and largest temperature. Beyond them, hardly anything would be left of the network's own confidence."""
MIN_ERRORS = 10
"""Number of wrong answers below which no temperature is used: on pictures that are nearly all read rightly, the
likelihood rises until all probabilities are 100%."""
MAX_PRIOR_EXPONENT = 2.0
"""Largest exponent of the class shares. An exponent of 1 removes the effect of unequal training shares completely."""


@dataclass(frozen=True)
class Calibration:
    """Parameters that correct the probabilities of a network and decide which answers are confident.

    temperature: divisor of the logits; 1 leaves the probabilities as they are.
    threshold: smallest calibrated top probability of a confident answer, from 0 to 1; a lower one is "not sure". A
        model that was never calibrated has 0: all of its answers count as confident.
    prior_exponent: exponent of `class_shares`; the probabilities are divided by that power before the temperature is
        applied (logit adjustment: Menon et al., 2021, "Long-tail learning via logit adjustment", arXiv:2007.07314). 0
        leaves them as they are.
    class_shares: share of each class in the training split, in the order of the labels. Each is above 0, and they sum
        to 1; empty if `prior_exponent` is 0 and the shares are unknown.

    Raises:
        UserError: if a value is outside its range.
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
        positive = all(_is_number(share) and 0 < share <= 1 for share in self.class_shares)
        if self.class_shares and not (positive and math.isclose(sum(self.class_shares), 1, abs_tol=1e-6)):
            raise UserError(f"`class_shares` must be above 0 and sum to 1. Received: {self.class_shares!r}")

    @property
    def divisors(self) -> np.ndarray | None:
        """Divisors of the probabilities, float64 `(classes,)`, applied before the temperature; None without a prior."""
        return np.power(self.class_shares, self.prior_exponent) if self.prior_exponent else None

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities.

        Args:
            probabilities: float array `(n, classes)`, output of the network.

        Returns:
            An array of the same shape and dtype; rows sum to 1.
        """
        probabilities = np.asarray(probabilities)
        if self.prior_exponent:
            adjusted = probabilities / self.divisors
            probabilities = (adjusted / adjusted.sum(axis=1, keepdims=True)).astype(probabilities.dtype)
        return scale_temperature(probabilities, self.temperature)

    def undo(self, probabilities: np.ndarray) -> np.ndarray:
        """Invert `apply`.

        Args:
            probabilities: calibrated float array `(n, classes)`.

        Returns:
            The output of the network, float32 `(n, classes)`; rows sum to 1.
        """
        original = scale_temperature(np.asarray(probabilities, np.float64), 1 / self.temperature)
        if self.prior_exponent:
            original = original * self.divisors
            original /= original.sum(axis=1, keepdims=True)
        return original.astype(np.float32)

    def confident(self, probabilities: np.ndarray) -> np.ndarray:
        """Return which answers are confident, bool `(n,)`, given calibrated probabilities `(n, classes)`."""
        return np.max(probabilities, axis=1) >= self.threshold

    def without_correction(self) -> "Calibration":
        """Return the threshold alone, for probabilities that are calibrated already, such as those of an export."""
        return Calibration(threshold=self.threshold)


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


UNCALIBRATED = Calibration()
"""Calibration that changes nothing and regards every answer as confident."""


def scale_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Apply temperature scaling: divide the logits by a temperature and take the softmax again.

    See Guo et al., 2017, "On Calibration of Modern Neural Networks", arXiv:1706.04599. The logarithms of the
    probabilities serve as logits, because softmax does not change if a constant is added to its input. The order of
    the classes by probability stays.

    Args:
        probabilities: float array `(n, classes)`; rows sum to 1.
        temperature: temperature; a value above 1 lowers the top probability.

    Returns:
        An array of the same shape and dtype; rows sum to 1.
    """
    logits = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.asarray(probabilities).dtype)
