/** Detect faces: the counterpart of `fer/detection/blazeface.py`, which gives the reasons for each step. */

import { FILTERS, reduce, resize, roundHalfEven } from "./resampling.js";
import { areSame, boxArea, mergeFaces } from "./suppression.js";

/** Return the length in pixels to which a picture's longer side is scaled, for each pass of the far network. */
export function lookSides(width, height, { field, min_region, sides, max_work, cells }) {
  const [shorter, longer] = [Math.min(width, height), Math.max(width, height)];
  let side = Math.max(field, ...sides.filter(([least]) => longer >= least).map(([, larger]) => larger));
  let work = 0;
  const passes = [];
  while (!passes.length || (longer * field) / side >= min_region) {
    work += (side / field) ** 2 * Math.max(shorter / longer, field / cells / side);
    if (work > max_work) break;
    passes.push(side);
    side *= 2;
  }
  return passes;
}

/** Detector of all faces in a picture. */
export class FaceDetector {
  /**
   * @param near, far `Network`s of `runtime.js`.
   * @param settings part `detection` of the settings.
   */
  constructor(near, far, settings) {
    Object.assign(this, { near, far, settings });
  }

  /** Return the faces of a picture as `{ box, points, score }`, the largest first. */
  async detect(picture) {
    const { settings } = this;
    const longer = Math.max(picture.width, picture.height);
    const [first, ...closer] = lookSides(picture.width, picture.height, settings);
    const seen = shrink(picture, first);
    const nearSide = this.near.shape[1];
    const small = reduce(seen, Math.floor(first / nearSide));
    const near = await this.look(this.near, small, longer, nearSide, settings.min_score);
    let far = await this.look(this.far, seen, longer, first, settings.min_score);
    for (const side of closer) {
      const faces = await this.look(this.far, shrink(picture, side), longer, side, settings.min_closer_score);
      const largest = (settings.max_closer_face * longer * settings.field) / side;
      far = far.concat(faces.filter(({ box }) => box[2] - box[0] <= largest));
    }
    const found = mergeFaces(far, settings);
    const others = mergeFaces(near, settings);
    found.push(...others.filter((face) => !found.some((known) => areSame(face.box, known.box, settings))));
    return found.sort((one, other) => boxArea(other.box) - boxArea(one.box));
  }

  /**
   * Run one pass of a network, and return the faces in the pixels of the original picture.
   *
   * @param network `Network` of `runtime.js`.
   * @param picture picture, scaled so that its longer side has `side` pixels.
   * @param longer longer side of the original picture in pixels.
   * @param side longer side of `picture` in pixels.
   * @param minScore score threshold, 0 to 1.
   */
  async look(network, picture, longer, side, minScore) {
    const { cells, grids } = this.settings;
    const cell = network.shape[1] / cells;
    const [rows, columns] = [Math.ceil(picture.height / cell), Math.ceil(picture.width / cell)];
    const left = Math.floor((columns * cell - picture.width) / 2);
    const top = Math.floor((rows * cell - picture.height) / 2);
    const input = letterbox(picture, columns * cell, rows * cell, left, top);
    const outputs = Object.values(await network.run(input, [1, rows * cell, columns * cell, 3]));
    const faces = [];
    for (const { finer, each } of grids) {
      const count = finer * rows * finer * columns * each;
      const logits = outputs.find((output) => output.length === count);
      const boxes = outputs.find((output) => output.length === count * 16);
      const limit = Math.log(minScore / (1 - minScore));
      for (let index = 0; index < count; index++) {
        if (logits[index] <= limit) continue;
        const place = Math.floor(index / each);
        const anchorX = (((place % (finer * columns)) + 0.5) / finer) * cell;
        const anchorY = ((Math.floor(place / (finer * columns)) + 0.5) / finer) * cell;
        const values = boxes.subarray(index * 16, index * 16 + 16);
        faces.push(decode(values, logits[index], anchorX - left, anchorY - top, side / longer));
      }
    }
    return faces;
  }
}

/** Return a picture scaled so that its longer side has `side` pixels. */
function shrink(picture, side) {
  const scale = side / Math.max(picture.width, picture.height);
  const [width, height] = [picture.width, picture.height].map((length) => Math.max(1, roundHalfEven(length * scale)));
  return resize(picture, width, height, FILTERS.bilinear, 2);
}

/** Return the network's input: values from -1 to 1, with black padding around the picture. */
function letterbox({ width, height, channels, data }, columns, rows, left, top) {
  const input = new Float32Array(rows * columns * 3).fill(-1);
  for (let row = 0, from = 0; row < height; row++) {
    let to = ((top + row) * columns + left) * 3;
    for (let column = 0; column < width; column++, from += channels, to += 3) {
      input[to] = data[from] / 127.5 - 1;
      input[to + 1] = data[from + 1] / 127.5 - 1;
      input[to + 2] = data[from + 2] / 127.5 - 1;
    }
  }
  return input;
}

/** Return a face from the network's 16 numbers: centre and size of the box, and six points, relative to the anchor. */
function decode(values, logit, anchorX, anchorY, scale) {
  const [x, y] = [(values[0] + anchorX) / scale, (values[1] + anchorY) / scale];
  const [halfWidth, halfHeight] = [values[2] / scale / 2, values[3] / scale / 2];
  const points = [];
  for (let at = 4; at < 16; at += 2) points.push([(values[at] + anchorX) / scale, (values[at + 1] + anchorY) / scale]);
  return { box: [x - halfWidth, y - halfHeight, x + halfWidth, y + halfHeight], points, score: 1 / (1 + Math.exp(-logit)) };
}
