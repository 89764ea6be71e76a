/** Follow faces over a run of frames: the counterpart of `fer/detection/tracking.py`. */

/** Follows the faces of one run: each keeps its number while it moves, and its probabilities are smoothed. */
export class FaceTracker {
  /**
   * @param settings `tracking` of the settings.
   * @param threshold least top probability of an answer that is sure.
   */
  constructor(settings, threshold) {
    Object.assign(this, { settings, threshold, count: 0, last: new Map() });
  }

  /**
   * Return the faces of the next frame with their `number` and smoothed probabilities, in the order of `faces`.
   *
   * @param faces of `Pipeline.recognize`.
   * @param seconds when the frame was taken, never less than before.
   */
  update(faces, seconds) {
    for (const [number, known] of this.last) {
      if (seconds - known.seconds > this.settings.lost_seconds) this.last.delete(number);
    }
    const numbers = this.match(faces);
    const tracked = faces.map((face, index) => this.follow(face, numbers.get(index), seconds));
    for (const face of tracked) this.last.set(face.number, { face, seconds });
    return tracked;
  }

  /** Number of the known face that each new one is, by its index; the likeliest pair first. */
  match(faces) {
    const pairs = [];
    for (const [number, { face }] of this.last) {
      faces.forEach(({ box }, index) => {
        const value = likeness(face.box, box);
        if (value >= this.settings.min_likeness) pairs.push({ value, number, index });
      });
    }
    pairs.sort((one, other) => other.value - one.value || other.number - one.number || other.index - one.index);
    const numbers = new Map();
    const taken = new Set();
    for (const { number, index } of pairs) {
      if (numbers.has(index) || taken.has(number)) continue;
      numbers.set(index, number);
      taken.add(number);
    }
    return numbers;
  }

  follow(face, number, seconds) {
    if (number === undefined) return { ...face, number: ++this.count };
    const known = this.last.get(number);
    const weight = 1 - Math.exp((known.seconds - seconds) / this.settings.smoothing_seconds);
    const probabilities = Object.fromEntries(
      Object.entries(known.face.probabilities).map(([label, before]) => [
        label,
        before + weight * (face.probabilities[label] - before),
      ]),
    );
    return { ...face, number, ...judge(probabilities, this.threshold) };
  }
}

/** Return probabilities by label with the most probable label, and whether it reaches the threshold. */
export function judge(probabilities, threshold) {
  const [label, most] = Object.entries(probabilities).reduce((best, entry) => (entry[1] > best[1] ? entry : best));
  return { label, probabilities, confident: most >= threshold };
}

/** How well two boxes agree, -1 to 1: their overlap less the distance of their centres (distance-IoU). */
export function likeness(one, other) {
  const sides = [0, 1].map((axis) => {
    const [start, end, otherStart, otherEnd] = [one[axis], one[axis + 2], other[axis], other[axis + 2]];
    return {
      common: Math.max(0, Math.min(end, otherEnd) - Math.max(start, otherStart)),
      distance: ((start + end - otherStart - otherEnd) / 2) ** 2,
      around: (Math.max(end, otherEnd) - Math.min(start, otherStart)) ** 2,
    };
  });
  const common = sides[0].common * sides[1].common;
  const area = ([left, top, right, bottom]) => (right - left) * (bottom - top);
  const distance = sides[0].distance + sides[1].distance;
  return common / (area(one) + area(other) - common) - distance / (sides[0].around + sides[1].around);
}
