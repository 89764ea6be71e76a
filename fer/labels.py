"""The one order of the emotions.

Alphabetical, as Kaggle's folder layout of FER2013 sorts and as the networks number their outputs. The original CSV
numbers them otherwise (Goodfellow et al., 2013, "Challenges in Representation Learning").
"""

from collections.abc import Iterable

from fer.errors import UserError

EMOTION_COLORS = {
    "angry": "#D55E00",
    "disgust": "#009E73",
    "fear": "#CC79A7",
    "happy": "#E69F00",
    "neutral": "#8C8C8C",
    "sad": "#0072B2",
    "surprise": "#56B4E9",
}
"""One colour an emotion, everywhere: the palette of Okabe and Ito (2008), which colour-blind people tell apart."""
EMOTIONS: tuple[str, ...] = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
CSV_EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""Column `emotion` of `fer2013.csv` is an index into this tuple."""


def check_classes(classes: Iterable[str]) -> tuple[str, ...]:
    """Return `classes` as a tuple in the order of `EMOTIONS`.

    Raises:
        UserError: for a name that is no emotion, a name given twice, or fewer than two names.
    """
    classes = tuple(classes)
    unknown = [name for name in classes if name not in EMOTIONS]
    if unknown:
        raise UserError(f"Each class must be one of {', '.join(EMOTIONS)}. Received: {', '.join(map(str, unknown))}")
    if len(set(classes)) != len(classes) or len(classes) < 2:
        raise UserError(f"At least two different classes are needed. Received: {' '.join(classes) or 'none'}")
    return tuple(name for name in EMOTIONS if name in classes)
