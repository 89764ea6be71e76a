/** Decode pictures in the browser: upright, on a white background, without conversion of colours. */

import { Problem } from "./problems.js";

/**
 * Return the pixels of an image, `{ width, height, channels: 4, data }`.
 *
 * @param image Blob; or an ImageBitmap, which is closed.
 * @param mostSide largest length of the longer side in pixels; a larger image is scaled down to it.
 * @throws `Problem` if the browser cannot decode the image.
 */
export async function readPicture(image, mostSide = Infinity) {
  // Colours are not converted, as in Pillow.
  const bitmap = image instanceof Blob ? await decode(image) : image;
  const { width: ownWidth, height: ownHeight } = bitmap;
  const scale = Math.min(1, mostSide / Math.max(ownWidth, ownHeight));
  const [width, height] = [ownWidth, ownHeight].map((length) => Math.max(1, Math.round(length * scale)));
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  return { width, height, channels: 4, data: context.getImageData(0, 0, width, height).data };
}

async function decode(blob) {
  try {
    return await createImageBitmap(blob, { colorSpaceConversion: "none" });
  } catch {
    throw new Problem("undecodable", "This browser cannot decode the picture.");
  }
}
