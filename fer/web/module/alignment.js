/** Cut faces out of pictures, aligned as the faces of FER2013 are: the counterpart of `fer/detection/alignment.py`. */

import { FILTERS, reduce, resize, toGrey, transform } from "./resampling.js";

/**
 * Return the grey crop of a face with `size` pixels per side, nearly upright.
 *
 * @param picture picture that the face was detected in.
 * @param face `{ box, points }` of `FaceDetector.detect`.
 * @param size side of the crop in pixels.
 * @param settings part `alignment` of the settings.
 */
export function cropFace(picture, face, size, settings) {
  return cutSquare(picture, placeSquare(face, settings), size, settings.samples);
}

/** Return a whole picture as one grey square crop with `size` pixels per side. */
export function cropWhole(picture, size) {
  return resize(toGrey(picture), size, size, FILTERS.lanczos);
}

/** Return the square that FER2013 would have cut out around a face: centre, side, and angle in radians, clockwise. */
export function placeSquare({ box, points }, { weights, bounds }) {
  const [left, top, right, bottom] = box;
  const origin = [(left + right) / 2, (top + bottom) / 2];
  const unit = Math.max(right - left, bottom - top, 1);
  const angle = Math.atan2(points[1][1] - points[0][1], points[1][0] - points[0][0]);
  const { across, down } = axes(angle);
  const features = points.flatMap(([x, y]) => {
    const place = [x - origin[0], y - origin[1]];
    return [dot(place, across) / unit, dot(place, down) / unit];
  });
  const [x, y, logSide, turn] = weights.map((row, index) => {
    const value = [...features, 1].reduce((sum, feature, place) => sum + row[place] * feature, 0);
    return Math.min(Math.max(value, bounds[index][0]), bounds[index][1]);
  });
  const center = [0, 1].map((axis) => origin[axis] + unit * (x * across[axis] + y * down[axis]));
  return { center, side: unit * Math.exp(logSide), angle: angle + turn };
}

/** Cut out a rotated square: reduce the region around it by a whole factor, rotate it, and average the samples. */
function cutSquare(picture, square, size, samples) {
  const { across, down } = axes(square.angle);
  const reach = (square.side * (Math.abs(across[0]) + Math.abs(across[1]))) / 2 + 2;
  const corner = square.center.map((value) => Math.floor(value - reach));
  const end = square.center.map((value) => Math.ceil(value + reach));
  const factor = Math.max(1, Math.trunc(square.side / (samples * size)));
  const patch = reduce(cutGrey(picture, corner, end), factor);
  const side = square.side / factor;
  const center = square.center.map((value, axis) => (value - corner[axis]) / factor);
  const origin = center.map((value, axis) => value - (side / 2) * (across[axis] + down[axis]));
  const step = side / (samples * size);
  const steps = [across, down].map((direction) => direction.map((value) => value * step));
  const turned = transform(patch, samples * size, origin, ...steps);
  return resize(turned, size, size, FILTERS.box);
}

/** Return a region of a picture in grey; beyond the picture, edge pixels repeat. */
function cutGrey(picture, [left, top], [right, bottom]) {
  const { channels, data } = picture;
  const [width, height] = [right - left, bottom - top];
  const pixels = new Uint8Array(width * height * 3);
  for (let row = 0, to = 0; row < height; row++) {
    const line = Math.min(Math.max(top + row, 0), picture.height - 1) * picture.width;
    for (let column = 0; column < width; column++, to += 3) {
      const from = (line + Math.min(Math.max(left + column, 0), picture.width - 1)) * channels;
      pixels[to] = data[from];
      pixels[to + 1] = data[from + 1];
      pixels[to + 2] = data[from + 2];
    }
  }
  return toGrey({ width, height, channels: 3, data: pixels });
}

function axes(angle) {
  const across = [Math.cos(angle), Math.sin(angle)];
  return { across, down: [-across[1], across[0]] };
}

function dot(one, other) {
  return one[0] * other[0] + one[1] * other[1];
}
