/** Decode pictures with the browser: upright, on white, their numbers as the file has them. */

/**
 * Return the pixels of an image, `{ width, height, channels: 4, data }`.
 *
 * @param image Blob, ImageBitmap, VideoFrame, OffscreenCanvas, or ImageData.
 * @throws Error in one sentence, if the browser cannot decode it.
 */
export async function readPicture(image) {
  if (image instanceof ImageData) return fromImageData(image);
  // No colours are converted, as Pillow converts none.
  const bitmap = image instanceof Blob ? await decode(image) : image;
  const [width, height] = [bitmap.displayWidth ?? bitmap.width, bitmap.displayHeight ?? bitmap.height];
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close?.();
  return fromImageData(context.getImageData(0, 0, width, height));
}

function fromImageData({ width, height, data }) {
  return { width, height, channels: 4, data };
}

async function decode(blob) {
  try {
    return await createImageBitmap(blob, { colorSpaceConversion: "none" });
  } catch {
    throw new Error("This browser cannot decode the picture.");
  }
}
