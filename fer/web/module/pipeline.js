/** Recognition of a picture, end to end: the counterpart of `fer/recognition/recognizer.py`. */

import { cropFace, cropWhole } from "./alignment.js";
import { FaceDetector } from "./detection.js";
import { roundHalfEven } from "./resampling.js";
import { judge } from "./tracking.js";

/** Pipeline that finds the faces in a picture and classifies their expressions. */
export class Pipeline {
  /**
   * @param settings whole document of the settings.
   * @param networks `Network`s of `runtime.js`: `near`, `far` and `expressions`.
   */
  constructor(settings, { near, far, expressions }) {
    Object.assign(this, { settings, expressions, detector: new FaceDetector(near, far, settings.detection) });
    this.limits = { threshold: settings.model.threshold, min_confident_score: settings.detection.min_confident_score };
  }

  /**
   * Find the faces in a picture and classify their expressions.
   *
   * @param picture result of `readPicture`.
   * @param options `already_cropped`: whether the whole picture is one face; `smallest_face`: smallest width of a face's
   *   box, as a share of the picture's longer side; `most`: largest number of faces to classify, the largest first.
   * @returns `{ faces, left_out }`: the faces, the largest first, and the number of smaller faces that were not
   *   classified. A face has `box`, `label`, `probabilities`, `detection_score` and `confident` as in Python; `crop`, the
   *   bytes of the grey crop; and, if the network has them, `map`, the class activation map `{ rows, columns, values }`.
   */
  async recognize(picture, { already_cropped = false, smallest_face = 0, most = this.settings.detection.max_faces } = {}) {
    const { width, height } = picture;
    if (!(smallest_face >= 0 && smallest_face <= 1)) {
      throw new Error(`\`smallest_face\` must be from 0 to 1. Received: ${smallest_face}`);
    }
    if (already_cropped) {
      const crop = cropWhole(picture, this.settings.model.image_size);
      return { faces: [await this.classify([0, 0, width, height], crop, null)], left_out: 0 };
    }
    const smallest = smallest_face * Math.max(width, height);
    const found = (await this.detector.detect(picture)).filter(({ box }) => box[2] - box[0] >= smallest);
    const faces = [];
    for (const face of found.slice(0, most)) {
      const crop = cropFace(picture, face, this.settings.model.image_size, this.settings.alignment);
      faces.push(await this.classify(wholePixels(face.box, width, height), crop, face.score));
    }
    return { faces, left_out: found.length - faces.length };
  }

  async classify(box, crop, score) {
    const { labels } = this.settings.model;
    const outputs = await this.expressions.run(crop.data);
    const values = outputs.probabilities;
    if (!values.every(Number.isFinite)) throw new Error("A network must answer finite numbers.");
    const shares = Object.fromEntries(labels.map((label, index) => [label, values[index]]));
    const { label, probabilities, confident } = judge(shares, score, this.limits);
    const map = outputs.maps && pickMap(outputs.maps, labels.indexOf(label), labels.length);
    return { box, label, probabilities, detection_score: score, confident, crop: crop.data, map };
  }
}

/** Return the JSON document of a picture, in the same form as `fer predict --json`. */
export function photoRecord(name, { width, height, faces, left_out }, model) {
  const round = (value) => Math.round(value * 1e6) / 1e6;
  return {
    image: name,
    model,
    width,
    height,
    faces: faces.map(({ box, label, probabilities, detection_score, confident }) => ({
      box,
      label,
      probabilities: Object.fromEntries(Object.entries(probabilities).map(([key, value]) => [key, round(value)])),
      detection_score: detection_score === null ? null : round(detection_score),
      confident,
    })),
    faces_left_out: left_out,
  };
}

/** Return the class activation map of one class, from the square maps of all classes. */
function pickMap(maps, index, classes) {
  const side = Math.sqrt(maps.length / classes);
  return { rows: side, columns: side, values: Float32Array.from({ length: side * side }, (_, at) => maps[at * classes + index]) };
}

function wholePixels(box, width, height) {
  const [left, top, right, bottom] = box.map(roundHalfEven);
  const [x, y] = [Math.min(Math.max(left, 0), width - 1), Math.min(Math.max(top, 0), height - 1)];
  return [x, y, Math.min(Math.max(right, x + 1), width), Math.min(Math.max(bottom, y + 1), height)];
}
