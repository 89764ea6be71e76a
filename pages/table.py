"""Cells of the tables of faces."""

from fer.labels import EMOTIONS

SURE = {True: "yes", False: "not sure", None: ""}
"""Of an answer's `confident`; None where there is no answer."""


def percentages(probabilities):
    """A cell for each of `EMOTIONS`, empty for those that the model does not know.

    Args:
        probabilities: by emotion.
    """
    return [f"{probabilities[label]:.0%}" if label in probabilities else "" for label in EMOTIONS]
