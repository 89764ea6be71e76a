/** Drawings of the live page as SVG: the counterpart of `fer/app/components/live_view.py`. */

import { escape, percent } from "./tools.js";

/** Drawing of the boxes over the picture, and of a chart of the followed face. */
export class Drawing {
  /**
   * @param settings settings of `page.json`, with the sizes in `chart` and `box`.
   * @param texts `Texts` of the page.
   * @param colors colour by label.
   */
  constructor({ chart, box }, texts, colors = {}) {
    Object.assign(this, { chart, box, texts, colors });
  }

  /** Return the SVG over the mirrored picture: a box per face with its number, emotion and probability. */
  boxes({ width, height, faces }) {
    const captions = faces.map((face) => this.texts.caption(face.number, face));
    const shapes = faces.map((face, index) => this.drawBox(face, captions[index], width)).reverse();
    const label = escape(captions.join("; "));
    return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${label}">${shapes.join("")}</svg>`;
  }

  drawBox({ box: [from, top, to, bottom], label }, text, width) {
    const { text: size, letter } = this.box;
    const [left, right] = [width - to, width - from]; // Mirrored, as the video is.
    const [long, tall] = [letter * size * text.length, 1.5 * size];
    const x = Math.max(0, Math.min(left, width - long - size));
    const y = top >= tall ? top - tall : top;
    const color = this.colors[label];
    return (
      `<rect x="${left}" y="${top}" width="${right - left}" height="${bottom - top}" fill="none" stroke="${color}" ` +
      `stroke-width="3"/><rect x="${x}" y="${y}" width="${long + size}" height="${tall}" fill="#18181b"/>` +
      `<rect x="${x}" y="${y}" width="${size / 2}" height="${tall}" fill="${color}"/>` +
      `<text x="${x + 0.75 * size}" y="${y + 1.1 * size}" font-size="${size}" fill="white" ` +
      `textLength="${long.toFixed(1)}" lengthAdjust="spacingAndGlyphs">${escape(text)}</text>`
    );
  }

  /**
   * Return the HTML of the followed face: its caption, a chart of its last seconds, and the rates of the stream.
   *
   * @param followed result of `Stream.followed`: `face`, `inSight` and `points`.
   * @param now time of the newest frame in seconds.
   * @param rates result of `Stream.count`; null if not known yet.
   */
  panel({ face = null, inSight = false, points = [] } = {}, now = 0, rates = null) {
    const { seconds, width, height } = this.chart;
    const gone = face && !inSight;
    const name = face ? this.texts.caption(face.number, face) : "";
    const title = gone ? this.texts.say("live.out_of_sight", { number: face.number }) : name;
    const described = escape(this.texts.say("live.chart", { seconds, face: title }));
    const lines = face ? this.drawLines(face, inSight, points, now) : "";
    return (
      `<div class="live-panel"><p class="title">${escape(title)}</p><svg viewBox="0 0 ${width} ${height}" role="img" ` +
      `aria-label="${described}" font-size="15">${this.drawAxes()}${lines}</svg>` +
      `<p class="rates">${rates ? this.texts.say("live.rates", rates) : ""}</p></div>`
    );
  }

  drawAxes() {
    const { seconds, left, right, bottom } = this.chart;
    const rows = [0, 0.5, 1].map((share) => {
      const y = this.heightOf(share);
      const line = `<line class="grid" x1="${left}" x2="${right}" y1="${y}" y2="${y}"/>`;
      return `${line}<text x="${left - 5}" y="${y + 5}" text-anchor="end" font-size="13">${percent(share)}</text>`;
    });
    const columns = [seconds, Math.floor(seconds / 2), 0].map((ago) => {
      const text = ago ? `−${ago} s` : "0 s";
      return `<text x="${this.placeOf(ago)}" y="${bottom + 20}" text-anchor="middle" font-size="13">${text}</text>`;
    });
    return [...rows, ...columns].join("");
  }

  /** Return one line per class, the most probable on top, and to the right the names of the first ones in that order. */
  drawLines({ label: top, probabilities }, inSight, points, now) {
    const { right, label: column, gap, bottom, names } = this.chart;
    const ranked = Object.keys(probabilities).sort((one, other) => probabilities[other] - probabilities[one]);
    const ends = ranked.map((label) => this.heightOf(probabilities[label]));
    const heights = spread(ends.slice(0, names), gap, bottom);
    const lines = ranked.map((label, index) => {
      const [color, y, end, isTop] = [this.colors[label], heights[index], ends[index], label === top];
      const line =
        `<path d="${this.drawPath(label, points, now)}" fill="none" stroke="${color}" ` +
        `stroke-width="${isTop ? 3 : 1.5}" stroke-linejoin="round"/>`;
      if (index >= names) return line;
      const name = this.texts.sayClass(label);
      const text = inSight ? `${name} ${percent(probabilities[label])}` : name;
      return (
        `${line}<path d="M${right + 2} ${end.toFixed(1)}L${column - 4} ${y.toFixed(1)}" stroke="${color}" fill="none"/>` +
        `<rect x="${column - 4}" y="${(y - 5).toFixed(1)}" width="10" height="10" rx="2" fill="${color}"/>` +
        `<text x="${column + 12}" y="${(y + 5).toFixed(1)}"${isTop ? ' font-weight="600"' : ""}>${escape(text)}</text>`
      );
    });
    return lines.reverse().join("");
  }

  /** Return the path of one emotion's line. Points are not joined if the face was out of sight between them. */
  drawPath(label, points, now) {
    let before = -Infinity;
    return points
      .map(({ seconds, probabilities }) => {
        const letter = seconds - before < this.chart.break_seconds ? "L" : "M";
        before = seconds;
        return `${letter}${this.placeOf(now - seconds).toFixed(0)} ${this.heightOf(probabilities[label]).toFixed(1)}`;
      })
      .join("");
  }

  placeOf(ago) {
    return this.chart.right - ((this.chart.right - this.chart.left) * ago) / this.chart.seconds;
  }

  heightOf(share) {
    return this.chart.bottom - (this.chart.bottom - this.chart.top) * share;
  }
}

/** Return ascending y coordinates, moved at least `gap` apart; none is greater than `lowest`. */
export function spread(wanted, gap, lowest) {
  const placed = [];
  for (const height of wanted) placed.push(placed.length ? Math.max(height, placed.at(-1) + gap) : height);
  return placed.map((height, index) => Math.min(height, lowest - gap * (placed.length - 1 - index)));
}
