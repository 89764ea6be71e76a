"""Optimal assignment of the rows of a matrix to its columns."""

import numpy as np


def assign(values: np.ndarray) -> list[tuple[int, int]]:
    """Return the pairs of rows and columns, each used once at most, whose values have the largest sum.

    The Hungarian algorithm (Kuhn, 1955, "The Hungarian method for the assignment problem") with the shortest
    augmenting paths of Jonker and Volgenant, 1987. `scipy.optimize.linear_sum_assignment` does the same, but nothing
    else that answers photos needs SciPy.

    Args:
        values: finite float array `(n, m)`.

    Returns:
        min(n, m) pairs of a row and a column, sorted by row.
    """
    costs = -np.asarray(values, float)
    if costs.shape[0] > costs.shape[1]:
        return sorted((row, column) for column, row in assign(-costs.T))
    count, width = costs.shape
    # Column 0 is the start of each path. `row_of` has the row of each column, counted from 1, or 0 for none.
    prices, discounts = np.zeros(count + 1), np.zeros(width + 1)
    row_of, before = np.zeros(width + 1, int), np.zeros(width + 1, int)
    for row in range(1, count + 1):
        row_of[0], column = row, 0
        least, reached = np.full(width + 1, np.inf), np.zeros(width + 1, bool)
        while row_of[column]:
            reached[column] = True
            here = row_of[column]
            reduced = costs[here - 1] - prices[here] - discounts[1:]
            shorter = ~reached[1:] & (reduced < least[1:])
            least[1:][shorter], before[1:][shorter] = reduced[shorter], column
            step = np.where(reached, np.inf, least)[1:]
            nearest = int(step.argmin()) + 1
            change = step[nearest - 1]
            prices[row_of[reached]] += change
            discounts[reached] -= change
            least[~reached] -= change
            column = nearest
        while column:
            row_of[column] = row_of[before[column]]
            column = before[column]
    return sorted((int(row) - 1, column) for column, row in enumerate(row_of[1:]) if row)
