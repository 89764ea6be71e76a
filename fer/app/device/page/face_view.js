/** One face: its crop as the network sees it, its class activation map, and its probabilities as bars; the counterpart
 * of `fer/app/components/face_panel.py`. */

import { make, percent } from "./tools.js";

/**
 * Return the element of a face; without a face, the same layout is empty, so that nothing moves when one arrives.
 *
 * @param texts `Texts` of the page.
 * @param model `labels`, `image_size` and `colors` of the recognizer's settings, and `heat` of `page.json`.
 * @param face a face of `Recognizer.recognize`; undefined for none.
 */
export function viewFace(texts, { labels, image_size, colors, heat }, face) {
  if (!face) {
    const figures = ["face.seen", "face.looked"].map((key) => figure(blank(), texts.say(key)));
    return assemble([texts.say("face.none")], figures, bars(texts, labels.map((label) => [label, 0, "–"]), colors));
  }
  const emotion = texts.sayClass(face.label);
  const swatch = make("span", { className: "swatch", style: `background: ${colors[face.label]}` });
  const crop = drawPixels(image_size, (at) => [face.crop[at], face.crop[at], face.crop[at]], texts.say("face.seen_alt"));
  crop.style.imageRendering = "pixelated";
  const looked = face.map
    ? figure(drawHeat(face, image_size, heat, texts.say("face.looked_alt", { emotion })), texts.say("face.looked_for", { emotion }))
    : figure(blank(), texts.say("face.cannot_say"));
  const rows = labels.map((label) => [label, face.probabilities[label], percent(face.probabilities[label])]);
  return assemble(
    [swatch, texts.sayExpression(face)],
    [figure(crop, texts.say("face.seen")), looked],
    bars(texts, rows, colors, face.label),
  );
}

/** Blend a crop with its class activation map, half and half; the map is scaled to its maximum. */
function drawHeat({ crop, map: { rows, columns, values } }, size, { stops, side }, alt) {
  const positive = Array.from(values, (value) => Math.max(value, 0));
  const most = Math.max(...positive, 1e-9);
  const strengths = enlarge(positive.map((value) => value / most), columns, rows, side);
  const grey = enlarge(crop, size, size, side);
  return drawPixels(
    side,
    (at) => {
      const place = Math.min(Math.max(strengths[at], 0), 1) * (stops.length - 1);
      const low = Math.min(Math.floor(place), stops.length - 2);
      const light = Math.min(Math.max(Math.round(grey[at]), 0), 255);
      return stops[low].map((from, channel) => 0.5 * light + 0.5 * (from + (place - low) * (stops[low + 1][channel] - from)));
    },
    alt,
  );
}

/** Enlarge a grid of values to a square with `side` values per side, by the same bicubic filter as Pillow. */
function enlarge(values, width, height, side) {
  const [across, down] = [weigh(width, side), weigh(height, side)];
  const rows = Array.from({ length: height }, (_, row) =>
    across.map((parts) => parts.reduce((sum, [at, weight]) => sum + weight * values[row * width + at], 0)));
  const enlarged = new Float32Array(side * side);
  for (let row = 0, to = 0; row < side; row++) {
    for (let column = 0; column < side; column++, to++) {
      for (const [at, weight] of down[row]) enlarged[to] += weight * rows[at][column];
    }
  }
  return enlarged;
}

/** Return, for each output position along a side, its input positions and their weights. */
function weigh(length, side) {
  return Array.from({ length: side }, (_, place) => {
    const center = ((place + 0.5) * length) / side;
    const start = Math.max(0, Math.trunc(center - 2 + 0.5));
    const end = Math.min(length, Math.trunc(center + 2 + 0.5));
    const parts = [];
    for (let at = start; at < end; at++) parts.push([at, cubic(at - center + 0.5)]);
    const sum = parts.reduce((total, [, weight]) => total + weight, 0);
    return parts.map(([at, weight]) => [at, weight / sum]);
  });
}

function cubic(distance) {
  const x = Math.abs(distance);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

function drawPixels(side, colorOf, alt) {
  const canvas = make("canvas", { width: side, height: side, className: "picture", role: "img", "aria-label": alt });
  const pixels = new ImageData(side, side);
  for (let at = 0; at < side * side; at++) pixels.data.set([...colorOf(at), 255], 4 * at);
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}

function bars(texts, rows, colors, top) {
  const cells = rows.flatMap(([label, length, text]) => {
    const emphasis = label === top ? " top" : "";
    const fill = make("div", { className: "fill", style: `width: ${100 * length}%; background: ${colors[label]}` });
    return [
      make("div", { className: `name${emphasis}` }, texts.sayClass(label)),
      make("div", { className: "track" }, fill),
      make("div", { className: `number${emphasis}` }, text),
    ];
  });
  return make("div", { className: "bars" }, ...cells);
}

function assemble(headline, figures, bars) {
  const pictures = make("div", { className: "pictures" }, ...figures);
  return make("div", { className: "face-view" }, make("p", { className: "answer" }, ...headline), pictures, bars);
}

function figure(picture, text) {
  return make("figure", {}, picture, make("figcaption", {}, text));
}

function blank() {
  return make("div", { className: "picture" });
}
