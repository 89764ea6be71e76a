/** Track faces through a run of frames: the counterpart of `fer/detection/tracking.py`. */

import { assign } from "./assignment.js";

/** Tracker of the faces in one run: each keeps its number while it moves, and its probabilities are smoothed. */
export class FaceTracker {
  /**
   * @param settings part `tracking` of the settings.
   * @param limits as `judge` takes them.
   */
  constructor(settings, limits) {
    Object.assign(this, { settings, limits, count: 0, last: new Map() });
  }

  /**
   * Return the faces of the next frame with their `number` and smoothed probabilities, in the order of `faces`.
   *
   * @param faces faces of `Pipeline.recognize`.
   * @param seconds time of the frame, never earlier than that of the frame before.
   */
  update(faces, seconds) {
    for (const [number, track] of this.last) {
      if (seconds - track.seconds > this.settings.lost_seconds) this.last.delete(number);
    }
    const numbers = this.match(faces, seconds);
    const tracked = faces.map((face, index) => this.follow(face, numbers.get(index), seconds));
    for (const face of tracked) {
      const before = this.last.get(face.number);
      const speed = before ? this.nextSpeed(before, face.box, seconds) : [0, 0];
      this.last.set(face.number, { face, seconds, speed });
    }
    return tracked;
  }

  /** Return the number of the known face that each new face is, by the new face's index. New faces are missing. */
  match(faces, seconds) {
    const known = [...this.last.keys()];
    if (!known.length || !faces.length) return new Map();
    const { predicted, min_likeness: least, fading_seconds: fading } = this.settings;
    const values = known.map((number) => {
      const track = this.last.get(number);
      const moved = this.predict(track, seconds);
      // A face that was just seen is preferred to one that was covered for a while, perhaps by this face.
      const weight = Math.exp((track.seconds - seconds) / fading);
      return faces.map(({ box }) => {
        // A face that keeps its speed is where it is expected; one that stops or turns is nearer to where it was.
        const [here, there] = [likeness(track.face.box, box), likeness(moved, box)];
        const value = predicted * there + (1 - predicted) * here - least;
        return Math.max(here, there) >= least ? Math.max(value, 0) * weight : 0;
      });
    });
    const pairs = assign(values).filter(([row, column]) => values[row][column] > 0);
    return new Map(pairs.map(([row, column]) => [column, known[row]]));
  }

  /** Return the box that is expected at a later time, if the face keeps its speed. */
  predict({ face, seconds: when, speed }, seconds) {
    const passed = Math.min(seconds - when, this.settings.coasting_seconds);
    return face.box.map((edge, index) => edge + speed[index % 2] * passed);
  }

  /** Return the updated speed of a face's centre, in pixels per second, after it was seen in a box at a later time. */
  nextSpeed({ face, seconds: when, speed }, box, seconds) {
    const passed = Math.max(seconds - when, 1e-3);
    return speed.map((before, axis) => {
      const moved = (box[axis] - face.box[axis] + box[axis + 2] - face.box[axis + 2]) / 2;
      return before + this.settings.speed_weight * (moved / passed - before);
    });
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
    return { ...face, number, ...judge(probabilities, face.detection_score, this.limits) };
  }
}

/**
 * Return the most probable label, the probabilities by label, and whether the answer is confident.
 *
 * @param probabilities probabilities by label.
 * @param score detection score; null if there was no detection.
 * @param limits `{ threshold, min_confident_score }`: least top probability and least score of a confident answer.
 */
export function judge(probabilities, score, { threshold, min_confident_score }) {
  const [label, most] = Object.entries(probabilities).reduce((best, entry) => (entry[1] > best[1] ? entry : best));
  return { label, probabilities, confident: most >= threshold && (score === null || score >= min_confident_score) };
}

/** Return the likeness of two boxes, -1 to 1: their overlap minus the distance of their centres (distance-IoU). */
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
