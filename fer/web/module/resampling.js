/**
 * Resampling with the same results as Pillow, bit by bit, so that the networks see what they saw in training.
 *
 * A picture is `{ width, height, channels, data }`; `data` has its bytes row by row. A fourth channel is ignored.
 */

/** Number of fractional bits of the weights, and one half as such a fixed-point number. */
const PRECISION = 22;
const HALF = 1 << (PRECISION - 1);

/** Filters of `resize`: the radius of each in pixels of the smaller picture, and its weight at a distance. */
export const FILTERS = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** Return a number rounded to an integer; halves are rounded to the even one, as in Python and NumPy. */
export function roundHalfEven(value) {
  const down = Math.floor(value);
  const rest = value - down;
  if (rest !== 0.5) return Math.round(value);
  return down % 2 === 0 ? down : down + 1;
}

/** Return a picture in grey, with one channel (`Image.convert("L")`). */
export function toGrey({ width, height, channels, data }) {
  const grey = new Uint8Array(width * height);
  for (let pixel = 0, at = 0; pixel < grey.length; pixel++, at += channels) {
    grey[pixel] = (data[at] * 19595 + data[at + 1] * 38470 + data[at + 2] * 7471 + 0x8000) >> 16;
  }
  return { width, height, channels: 1, data: grey };
}

/** Return a picture reduced by whole factors, in which each pixel is the mean of a block (`Image.reduce`). */
export function reduce(picture, factorX, factorY = factorX) {
  return factorX === 1 && factorY === 1 ? picture : reduceBlocks(picture, factorX, factorY);
}

function reduceBlocks(picture, factorX, factorY) {
  const { channels, data } = picture;
  const width = Math.ceil(picture.width / factorX);
  const height = Math.ceil(picture.height / factorY);
  const planes = Math.min(channels, 3);
  const reduced = new Uint8Array(width * height * planes);
  for (let y = 0, to = 0; y < height; y++) {
    const top = y * factorY;
    const bottom = Math.min(top + factorY, picture.height);
    for (let x = 0; x < width; x++) {
      const left = x * factorX;
      const right = Math.min(left + factorX, picture.width);
      const count = (bottom - top) * (right - left);
      const multiplier = Math.floor(Math.fround(2 ** 32 / (256 * count)));
      for (let plane = 0; plane < planes; plane++, to++) {
        let sum = count >> 1;
        for (let row = top; row < bottom; row++) {
          const start = row * picture.width;
          for (let column = left; column < right; column++) sum += data[(start + column) * channels + plane];
        }
        reduced[to] = (sum * multiplier) / 2 ** 24;
      }
    }
  }
  return { width, height, channels: planes, data: reduced };
}

/**
 * Return a picture of another size (`Image.resize`).
 *
 * @param filter one of `FILTERS`.
 * @param gap if not 0, reduce the picture by a whole factor first, to at least this many times the new size
 *   (`reducing_gap`).
 */
export function resize(picture, width, height, filter, gap = 0) {
  let [boxWidth, boxHeight] = [picture.width, picture.height];
  if (gap) {
    const factorX = Math.floor(boxWidth / width / gap) || 1;
    const factorY = Math.floor(boxHeight / height / gap) || 1;
    picture = reduce(picture, factorX, factorY);
    [boxWidth, boxHeight] = [boxWidth / factorX, boxHeight / factorY];
  }
  if (width !== picture.width || boxWidth !== picture.width) {
    picture = resizeRows(picture, width, weigh(picture.width, boxWidth, width, filter));
  }
  if (height !== picture.height || boxHeight !== picture.height) {
    picture = resizeColumns(picture, height, weigh(picture.height, boxHeight, height, filter));
  }
  return picture;
}

/**
 * Return a square of a grey picture under an affine transform, with bicubic interpolation (`Image.transform` with
 * `Transform.AFFINE` and `Resampling.BICUBIC`).
 *
 * @param size side of the square in pixels.
 * @param origin position of the square's upper left corner in the picture, x and y in pixels.
 * @param across, down steps in the picture from one pixel of the square to the next, x and y in pixels.
 */
export function transform({ width, height, data }, size, origin, across, down) {
  const turned = new Uint8Array(size * size);
  for (let row = 0, to = 0; row < size; row++) {
    for (let column = 0; column < size; column++, to++) {
      const x = across[0] * (column + 0.5) + down[0] * (row + 0.5) + origin[0];
      const y = across[1] * (column + 0.5) + down[1] * (row + 0.5) + origin[1];
      if (x < 0 || x >= width || y < 0 || y >= height) continue;
      const left = Math.floor(x - 0.5);
      const top = Math.floor(y - 0.5);
      const [shareX, shareY] = [x - 0.5 - left, y - 0.5 - top];
      const along = (line) => {
        const start = Math.min(Math.max(line, 0), height - 1) * width;
        const at = (place) => data[start + Math.min(Math.max(place, 0), width - 1)];
        return cubic(at(left - 1), at(left), at(left + 1), at(left + 2), shareX);
      };
      turned[to] = Math.min(255, Math.max(0, cubic(along(top - 1), along(top), along(top + 1), along(top + 2), shareY)));
    }
  }
  return { width: size, height: size, channels: 1, data: turned };
}

function cubic(a, b, c, d, share) {
  return b + share * (c - a + share * (2 * (a - b) + c - d + share * (b - a + d - c)));
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** Return the weights of the old pixels along one side for each new pixel, as fixed-point numbers (`PRECISION`). */
function weigh(length, boxLength, newLength, { support, weight }) {
  const scale = Math.fround(boxLength) / newLength;
  const stretch = Math.max(scale, 1);
  const reach = support * stretch;
  const most = Math.ceil(reach) * 2 + 1;
  const starts = new Int32Array(newLength);
  const counts = new Int32Array(newLength);
  const weights = new Int32Array(newLength * most);
  for (let place = 0; place < newLength; place++) {
    const center = (place + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - reach + 0.5));
    const count = Math.min(length, Math.trunc(center + reach + 0.5)) - start;
    const shares = Array.from({ length: count }, (_, index) => weight((index + start - center + 0.5) / stretch));
    const sum = shares.reduce((one, other) => one + other, 0) || 1;
    starts[place] = start;
    counts[place] = count;
    shares.forEach((share, index) => {
      const whole = (share / sum) * 2 ** PRECISION;
      weights[place * most + index] = Math.trunc(whole < 0 ? whole - 0.5 : whole + 0.5);
    });
  }
  return { starts, counts, weights, most };
}

function resizeRows({ width, height, channels, data }, newWidth, { starts, counts, weights, most }) {
  const planes = Math.min(channels, 3);
  const resized = new Uint8ClampedArray(newWidth * height * planes);
  for (let row = 0, to = 0; row < height; row++) {
    for (let column = 0; column < newWidth; column++, to += planes) {
      const [from, end] = [column * most, column * most + counts[column]];
      let at = (row * width + starts[column]) * channels;
      let [red, green, blue] = [HALF, HALF, HALF];
      for (let index = from; index < end; index++, at += channels) {
        const weight = weights[index];
        red += data[at] * weight;
        if (planes === 1) continue;
        green += data[at + 1] * weight;
        blue += data[at + 2] * weight;
      }
      resized[to] = red >> PRECISION;
      if (planes === 1) continue;
      resized[to + 1] = green >> PRECISION;
      resized[to + 2] = blue >> PRECISION;
    }
  }
  return { width: newWidth, height, channels: planes, data: new Uint8Array(resized.buffer) };
}

function resizeColumns(picture, newHeight, { starts, counts, weights, most }) {
  const { width, height, channels, data } = picture.channels === 4 ? reduceBlocks(picture, 1, 1) : picture;
  const line = width * channels;
  const resized = new Uint8ClampedArray(line * newHeight);
  for (let row = 0, to = 0; row < newHeight; row++) {
    const [from, end] = [row * most, row * most + counts[row]];
    const first = starts[row] * line;
    for (let place = 0; place < line; place++, to++) {
      let sum = HALF;
      for (let index = from, at = first + place; index < end; index++, at += line) sum += data[at] * weights[index];
      resized[to] = sum >> PRECISION;
    }
  }
  return { width, height: newHeight, channels, data: new Uint8Array(resized.buffer) };
}
