/**
 * The recognizer on this device: every face of a picture with the probabilities of its expression, and no picture is
 * sent anywhere.
 *
 *     import { loadRecognizer } from "./module/recognizer.js";
 *     const recognizer = await loadRecognizer();
 *     const faces = await recognizer.recognize(file);
 */

import { fetchJson } from "./loading.js";
import { Problem, unpackError } from "./problems.js";

const RELAXED_SIMD = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15, 253,
  128, 2, 11,
]);

/** Return a sentence on what this browser lacks; "" if it lacks nothing. */
export function findObstacle() {
  return findProblem()?.message ?? "";
}

/** Return what this browser lacks as a `Problem`; null if it lacks nothing. */
export function findProblem() {
  if (!globalThis.isSecureContext) return new Problem("insecure", "On this device needs a page of https:// or localhost.");
  const wanted = ["Worker", "WebAssembly", "OffscreenCanvas", "DecompressionStream", "createImageBitmap"];
  const missing = wanted.filter((name) => !(name in globalThis));
  if (!missing.length) return null;
  const names = missing.join(", ");
  return new Problem("missing", `On this device needs a newer browser; this one has no ${names}.`, { names });
}

/**
 * Load the networks and their runtime, once for a page.
 *
 * @param options `base`: address of the folder of `settings.json`, by default the one above this file's; `onProgress`:
 *   called with the share that is loaded, 0 to 1.
 * @returns a `Recognizer`.
 * @throws `Problem` in one sentence, if this browser cannot.
 */
export async function loadRecognizer({ base = new URL("..", import.meta.url).href, onProgress } = {}) {
  const problem = findProblem();
  if (problem) throw problem;
  const settings = await fetchJson(`${base}settings.json`);
  const build = WebAssembly.validate(RELAXED_SIMD) ? "relaxed" : "compatible";
  const recognizer = new Recognizer(settings, onProgress);
  try {
    await recognizer.ask("load", { settings, base, build });
  } catch (error) {
    recognizer.close();
    throw error;
  }
  return recognizer;
}

/** Reads pictures in a worker of its own. */
export class Recognizer {
  constructor(settings, onProgress) {
    Object.assign(this, { settings, waiting: new Map(), count: 0, isBusy: false });
    this.worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data: { id, answer, error, progress } }) => {
      if (progress !== undefined) return onProgress?.(progress);
      const { resolve, reject } = this.waiting.get(id);
      this.waiting.delete(id);
      return error === undefined ? resolve(answer) : reject(unpackError(error));
    };
    this.worker.onerror = (event) => {
      event.preventDefault();
      const reason = event.message || "its worker did not start";
      this.fail(new Problem("worker", `The recognizer cannot run in this browser: ${reason}.`, { reason }));
    };
  }

  /**
   * Read every face of a picture.
   *
   * @param image File or other Blob, an image, canvas or video element, ImageBitmap, ImageData or VideoFrame.
   * @param options `already_cropped`: the whole picture is one face; `smallest_face`: leave out faces whose box is
   *   narrower than this share of the picture's longer side; `most`: read at most so many, the largest.
   * @returns the faces, the largest first, each with `box`, `label`, `probabilities`, `detection_score` and `confident`
   *   as of the Python API, and `crop` and `map`; and on the array `left_out`, how many smaller ones were not read, and
   *   the picture's `width` and `height`.
   */
  async recognize(image, options = {}) {
    const { faces, ...facts } = await this.send("recognize", image, { options });
    return Object.assign(faces, facts);
  }

  /** Return the JSON document of a picture, as `fer predict --json` writes it. */
  record(image, name, options = {}) {
    return this.send("record", image, { name, options });
  }

  /** Start a run of frames, such as a camera's: faces get numbers from 1, and nothing is known of before. */
  startRun() {
    return this.ask("start");
  }

  /**
   * Read the next frame of the run.
   *
   * @param image as of `recognize`, at best the video element.
   * @param seconds when it was taken.
   * @returns `{ width, height, faces, left_out }`: the size that it was read at, in whose pixels the boxes are, and
   *   the faces with their `number` and smoothed. Null where the frame before is still being read: this one is
   *   dropped, so that frames never queue.
   */
  async follow(image, seconds) {
    if (this.isBusy) return null;
    this.isBusy = true;
    try {
      return await this.send("follow", image, { seconds });
    } finally {
      this.isBusy = false;
    }
  }

  /** End the worker and free its memory; what was asked is refused. */
  close() {
    this.worker.terminate();
    this.fail(new Error("The recognizer was closed."));
  }

  async send(task, image, given) {
    if (image instanceof Blob) return this.ask(task, { image, ...given });
    // A copy of the pixels, which the worker closes. A VideoFrame would do as well, but its memory grows to 700 MB
    // before the browser collects it.
    const bitmap = await createImageBitmap(image, { colorSpaceConversion: "none" });
    return this.ask(task, { image: bitmap, ...given }, [bitmap]);
  }

  ask(task, given = {}, transfer = []) {
    if (this.failure) return Promise.reject(this.failure);
    const id = ++this.count;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, task, ...given }, transfer);
    });
  }

  fail(error) {
    this.failure = error;
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }
}
