/** Decode pictures in the browser: upright, on a white background, without conversion of colours. */

import { Problem } from "./problems.js";

/**
 * Return the pixels of an image, `{ width, height, channels: 4, data }`.
 *
 * @param image Blob; or an ImageBitmap, which is closed.
 * @param mostSide largest length of the longer side in pixels; a larger image is scaled down to it.
 * @throws `Problem` if the browser cannot decode the image, or it is larger than the browser's canvas.
 */
export async function readPicture(image, mostSide = Infinity) {
  // Colours are not converted, as in Pillow.
  const bitmap = image instanceof Blob ? await decodePicture(image, { colorSpaceConversion: "none" }) : image;
  const { width: ownWidth, height: ownHeight } = bitmap;
  const scale = Math.min(1, mostSide / Math.max(ownWidth, ownHeight));
  const [width, height] = [ownWidth, ownHeight].map((length) => Math.max(1, Math.round(length * scale)));
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  // A canvas that is larger than the browser's limit draws nothing, not even the white, and says nothing.
  if (data[3] !== 255) {
    const message = `The picture is too large for this browser: ${width}x${height} pixels.`;
    throw new Problem("too_large", message, { width, height });
  }
  return { width, height, channels: 4, data };
}

/**
 * Return a picture as an upright ImageBitmap.
 *
 * @param blob file of a picture.
 * @param options options of `createImageBitmap`.
 * @throws `Problem` if the browser cannot decode it.
 */
export async function decodePicture(blob, options = {}) {
  const { upright, orientation } = await takeOrientation(blob);
  try {
    const bitmap = await createImageBitmap(upright, options);
    return orientation === 1 ? bitmap : turn(bitmap, orientation);
  } catch {
    throw new Problem("undecodable", "This browser cannot decode the picture.");
  }
}

/**
 * Return the EXIF orientation (1 to 8) of a WebP file, and the file without it; for any other file 1 and the file.
 *
 * Browsers turn other formats themselves; Chromium 156 leaves WebP as it is. Without the tag no browser turns it. What
 * old versions of ImageMagick write as text into PNG, only the server reads.
 */
async function takeOrientation(blob) {
  const start = new DataView(await blob.slice(0, 12).arrayBuffer());
  if (start.byteLength < 12 || readText(start, 0) !== "RIFF" || readText(start, 8) !== "WEBP") {
    return { upright: blob, orientation: 1 };
  }
  const view = new DataView(await blob.arrayBuffer());
  try {
    const { place, littleEndian } = findOrientation(view);
    const orientation = view.getUint16(place, littleEndian);
    view.setUint16(place, 1, littleEndian);
    if (orientation in TURNS) return { upright: new Blob([view.buffer], { type: blob.type }), orientation };
  } catch {
    // There is no tag, or the metadata are damaged, which do not matter.
  }
  return { upright: blob, orientation: 1 };
}

/** Return the place of the orientation's value in a WebP file, and its byte order; throw if there is none. */
function findOrientation(view) {
  let place = 12;
  while (readText(view, place) !== "EXIF") {
    const size = view.getUint32(place + 4, true);
    place += 8 + size + (size & 1);
  }
  place += 8;
  if (readText(view, place) === "Exif") place += 6;
  const littleEndian = view.getUint16(place) === 0x4949;
  const table = place + view.getUint32(place + 4, littleEndian);
  const count = view.getUint16(table, littleEndian);
  const entries = Array.from({ length: count }, (_, index) => table + 2 + 12 * index);
  return { place: entries.find((entry) => view.getUint16(entry, littleEndian) === 0x0112) + 8, littleEndian };
}

function readText(view, place) {
  return String.fromCharCode(...[0, 1, 2, 3].map((index) => view.getUint8(place + index)));
}

/** Matrices that turn a picture of 1x1 by its EXIF orientation, as of `CanvasRenderingContext2D.setTransform`. */
const TURNS = {
  2: [-1, 0, 0, 1, 1, 0],
  3: [-1, 0, 0, -1, 1, 1],
  4: [1, 0, 0, -1, 0, 1],
  5: [0, 1, 1, 0, 0, 0],
  6: [0, 1, -1, 0, 1, 0],
  7: [0, -1, -1, 0, 1, 1],
  8: [0, -1, 1, 0, 0, 1],
};

/** Return an ImageBitmap turned by an EXIF orientation; the given one is closed. */
function turn(bitmap, orientation) {
  const { width, height } = bitmap;
  const canvas = orientation < 5 ? new OffscreenCanvas(width, height) : new OffscreenCanvas(height, width);
  const context = canvas.getContext("2d");
  const [a, b, c, d, right, down] = TURNS[orientation];
  context.setTransform(a, b, c, d, right * canvas.width, down * canvas.height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return canvas.transferToImageBitmap();
}
