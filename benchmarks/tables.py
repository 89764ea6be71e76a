"""Figures as Markdown."""

import statistics

RUNS = 5
"""Whose median and extremes a figure has."""


def table(headers, rows):
    """A Markdown table of cells that are text."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def spread(values, digits=1, scale=1):
    """The median of several runs, and the lowest and the highest in brackets, each times `scale`."""
    low, middle, high = (
        f"{scale * value:,.{digits}f}" for value in (min(values), statistics.median(values), max(values))
    )
    return f"{middle} ({low}–{high})"
