/** Optimal assignment of the rows of a matrix to its columns: the counterpart of `fer/detection/assignment.py`. */

/**
 * Return the pairs of rows and columns, each used once at most, whose values have the largest sum.
 *
 * @param values matrix of finite numbers, an array of rows.
 * @returns pairs `[row, column]`, one per row or per column, whichever are fewer.
 */
export function assign(values) {
  const [count, width] = [values.length, values[0].length];
  if (count > width) {
    const turned = values[0].map((_, column) => values.map((row) => row[column]));
    return assign(turned).map(([column, row]) => [row, column]);
  }
  // Column 0 is the start of each path. `rowOf` has the row of each column, counted from 1, or 0 for none.
  const [prices, discounts] = [new Float64Array(count + 1), new Float64Array(width + 1)];
  const [rowOf, before] = [new Int32Array(width + 1), new Int32Array(width + 1)];
  for (let row = 1; row <= count; row++) {
    rowOf[0] = row;
    let column = 0;
    const least = new Float64Array(width + 1).fill(Infinity);
    const reached = new Uint8Array(width + 1);
    while (rowOf[column]) {
      reached[column] = 1;
      const here = rowOf[column];
      let nearest = 0;
      for (let other = 1; other <= width; other++) {
        if (reached[other]) continue;
        const reduced = -values[here - 1][other - 1] - prices[here] - discounts[other];
        if (reduced < least[other]) [least[other], before[other]] = [reduced, column];
        if (!nearest || least[other] < least[nearest]) nearest = other;
      }
      const change = least[nearest];
      for (let other = 0; other <= width; other++) {
        if (reached[other]) {
          prices[rowOf[other]] += change;
          discounts[other] -= change;
        } else {
          least[other] -= change;
        }
      }
      column = nearest;
    }
    while (column) {
      rowOf[column] = rowOf[before[column]];
      column = before[column];
    }
  }
  return Array.from(rowOf.keys()).filter((column) => column && rowOf[column]).map((column) => [rowOf[column] - 1, column - 1]);
}
