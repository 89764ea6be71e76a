"""Formatting of measurements as Markdown."""

import statistics

from fer.evaluation.metrics import wilson_interval

RUNS = 5
"""Number of runs of a measurement, which states their median, lowest and highest."""


def table(headers, rows):
    """Return a Markdown table; all cells are text."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def spread(values, digits=1, scale=1):
    """Return the median of several runs, and the lowest and the highest in brackets, each multiplied by `scale`."""
    low, middle, high = (
        f"{scale * value:,.{digits}f}" for value in (min(values), statistics.median(values), max(values))
    )
    return f"{middle} ({low}–{high})"


def share(count, n):
    """Return a share of `n` in whole percent, with its 95% interval in brackets."""
    low, high = wilson_interval(count, n)
    return f"{count / n:.0%} ({100 * low:.0f}–{high:.0%})"
