"""Column names and cells of the tables of faces."""

from collections.abc import Mapping, Sequence

from fer.app.texts import say, say_class


def headers(language: str, labels: Sequence[str], before: Sequence[str], after: Sequence[str]) -> list[str]:
    """Return the names of a table's columns.

    Args:
        language: code of the page's language.
        labels: classes of the model, with one column each.
        before: keys of the columns left of the classes, such as `file` for the text `table.file`.
        after: keys of the columns right of the classes.
    """
    left, right = ([say(language, f"table.{key}") for key in keys] for keys in (before, after))
    return [*left, *(say_class(language, label) for label in labels), *right]


def percentages(probabilities: Mapping[str, float] | None, labels: Sequence[str]) -> list[str]:
    """Return the cells of the probabilities, one per label; empty cells if there are no probabilities.

    Args:
        probabilities: probabilities (0-1) by label, or None.
        labels: classes of the model.
    """
    return [f"{probabilities[label]:.0%}" for label in labels] if probabilities else [""] * len(labels)


def say_confident(language: str, confident: bool | None) -> str:
    """Return the cell that says whether an answer is confident; "" for None, which means that there is no answer."""
    return "" if confident is None else say(language, "table.yes" if confident else "table.not_sure")
