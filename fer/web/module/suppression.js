/** Non-maximum suppression as in MediaPipe: the counterpart of `_merge` of `fer/detection/blazeface.py`. */

/** Return the area of a box `[left, top, right, bottom]`; a box with a negative side has the area 0. */
export function boxArea([left, top, right, bottom]) {
  return Math.max(0, right - left) * Math.max(0, bottom - top);
}

/** Return the intersection over union of two boxes, and the share of the smaller box that lies in the other. */
function compareBoxes(one, other) {
  const common = boxArea([
    Math.max(one[0], other[0]),
    Math.max(one[1], other[1]),
    Math.min(one[2], other[2]),
    Math.min(one[3], other[3]),
  ]);
  const [area, another] = [boxArea(one), boxArea(other)];
  const overlap = common / Math.max(area + another - common, 1e-9);
  return { overlap, inside: common / Math.max(Math.min(area, another), 1e-9) };
}

/** Return whether two boxes belong to the same face, because they overlap or one lies in the other. */
export function areSame(one, other, { max_overlap, max_inside }) {
  const { overlap, inside } = compareBoxes(one, other);
  return overlap > max_overlap || inside > max_inside;
}

/**
 * Return one face for each group of overlapping boxes; its box and points are the group's mean, weighted by score.
 *
 * @param faces array of `{ box, points, score }`.
 * @param settings part `detection` of the settings.
 */
export function mergeFaces(faces, settings) {
  let left = [...faces].sort((one, other) => other.score - one.score).slice(0, settings.max_candidates);
  const merged = [];
  while (left.length) {
    const [best, ...others] = left;
    const group = [best, ...others.filter(({ box }) => compareBoxes(best.box, box).overlap > settings.max_overlap)];
    const sum = group.reduce((total, { score }) => total + score, 0);
    const mean = (pick) => group.reduce((total, face) => total + (face.score / sum) * pick(face), 0);
    merged.push({
      box: best.box.map((_, side) => mean(({ box }) => box[side])),
      points: best.points.map((_, point) => [0, 1].map((axis) => mean(({ points }) => points[point][axis]))),
      score: best.score,
    });
    left = others.filter(({ box }) => !areSame(best.box, box, settings));
  }
  return merged;
}
