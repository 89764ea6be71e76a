/** Numbered, coloured boxes on a picture: the counterpart of `fer/images/drawing.py`. */

/**
 * Draw a picture with a box around each face, at its full size.
 *
 * @param bitmap ImageBitmap; it is not changed.
 * @param faces result of `Recognizer.recognize`.
 * @param colors colour by label.
 * @param caption function of a face's number and the face that returns its caption.
 * @returns an OffscreenCanvas.
 */
export function drawFaces(bitmap, faces, colors, caption) {
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  const longer = Math.min(Math.max(width, height), 4 * Math.min(width, height)); // As MOST_ELONGATED in drawing.py.
  const line = Math.max(2, Math.round(longer / 300));
  for (let index = faces.length - 1; index >= 0; index--) {
    const { box: [left, top, right, bottom], label } = faces[index];
    Object.assign(context, { strokeStyle: colors[label], lineWidth: line });
    context.strokeRect(left + line / 2, top + line / 2, right - left - line, bottom - top - line);
    let text = caption(index + 1, faces[index]);
    let size = Math.max(longer / 30, 11);
    context.font = fontOf(size);
    size = Math.min(size, (1.6 * size * (right - left)) / context.measureText(text).width);
    const least = Math.max(longer / 50, 11);
    if (size < least) [size, text] = [least, String(index + 1)];
    write(context, text, left, top, size, colors[label], width);
  }
  return canvas;
}

/** Write a text on a filled rectangle above a point, or below the point where the picture ends above it. */
function write(context, text, left, top, size, color, canvasWidth) {
  context.font = fontOf(size);
  context.textBaseline = "middle";
  const pad = Math.max(2, Math.round(size / 4));
  const [width, height] = [context.measureText(text).width + 2 * pad, Math.round(size) + pad];
  const x = Math.max(0, Math.min(left, canvasWidth - width));
  const y = top >= height ? top - height : top;
  context.fillStyle = color;
  context.fillRect(x, y, width, height);
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  context.fillStyle = 0.299 * red + 0.587 * green + 0.114 * blue > 100 ? "black" : "white";
  context.fillText(text, x + pad, y + height / 2);
}

function fontOf(size) {
  return `${size}px "DejaVu Sans", Verdana, sans-serif`;
}

/** Return the index of the smallest face under a point, so that a face in front of a larger one can be chosen; or -1. */
export function faceAt(faces, x, y) {
  const hits = faces
    .map(({ box: [left, top, right, bottom] }, index) => ({ left, top, right, bottom, index }))
    .filter(({ left, top, right, bottom }) => left <= x && x <= right && top <= y && y <= bottom)
    .sort((one, other) => one.right - one.left - (other.right - other.left));
  return hits.length ? hits[0].index : -1;
}
