/** State of a camera's stream: the counterpart of `StreamState` of `fer/app/components/live_stream.py`. */

/** State of a stream: the points of each face, the followed face, and how quickly frames are answered. */
export class Stream {
  /** @param settings `stream` of `page.json`. */
  constructor(settings) {
    Object.assign(this, { settings, points: new Map(), answers: [], chosen: null, faces: [] });
  }

  /** Add the faces of the next frame, from `Recognizer.follow`. */
  add(faces, seconds) {
    this.faces = faces;
    for (const { number, probabilities } of faces) {
      const points = this.points.get(number) ?? [];
      if (!points.length || seconds - points.at(-1).seconds >= this.settings.chart_step) {
        points.push({ seconds, probabilities });
      }
      this.points.set(number, points);
    }
    for (const [number, points] of this.points) {
      while (points.length && seconds - points[0].seconds > this.settings.chart_seconds) points.shift();
      if (!points.length) this.points.delete(number);
    }
    this.choose(faces);
  }

  /** Follow the same face as before while it is in sight and nearly as large as the largest; else the largest. */
  choose(faces) {
    const same = faces.find(({ number }) => number === this.chosen?.number);
    this.chosen = same && area(faces[0]) < this.settings.clearly_larger * area(same) ? same : faces[0] ?? this.chosen;
  }

  /** Followed face as it was last seen, whether it is in sight, and its points. */
  get followed() {
    if (!this.chosen) return {};
    const { chosen: face, faces, points } = this;
    return { face, inSight: faces.includes(face), points: points.get(face.number) ?? [] };
  }

  /**
   * Count an answer, whose start and end are given in seconds.
   *
   * @returns `{ frames, milliseconds }`: frames answered per second, and mean time of an answer; null for the first.
   */
  count(start, end) {
    this.answers.push({ end, took: end - start });
    while (end - this.answers[0].end > this.settings.rate_seconds) this.answers.shift();
    if (this.answers.length < 2) return null;
    const took = this.answers.reduce((sum, answer) => sum + answer.took, 0) / this.answers.length;
    return { frames: (this.answers.length - 1) / (end - this.answers[0].end), milliseconds: 1000 * took };
  }
}

function area({ box: [left, top, right, bottom] }) {
  return (right - left) * (bottom - top);
}
