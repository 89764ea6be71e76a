"""Headers and cells of the tables of faces."""

from fer.app.texts import say, say_class


def headers(language, labels, before, after):
    """Names of a table's columns.

    Args:
        language: of the page.
        labels: the model's emotions, a column each.
        before, after: keys of the columns left and right of them, such as `file` for the text `table.file`.
    """
    left, right = ([say(language, f"table.{key}") for key in keys] for keys in (before, after))
    return [*left, *(say_class(language, label) for label in labels), *right]


def percentages(probabilities, labels):
    """A cell for each label; empty ones where there are no probabilities.

    Args:
        probabilities: by label, or None.
    """
    return [f"{probabilities[label]:.0%}" for label in labels] if probabilities else [""] * len(labels)


def sure(language, confident):
    """The cell of an answer's `confident`, which is None where there is no answer."""
    return "" if confident is None else say(language, "table.yes" if confident else "table.not_sure")
