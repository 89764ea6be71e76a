/**
 * Recognizer on this device: it finds every face in a picture and estimates the probabilities of its expression. No
 * picture is sent anywhere.
 *
 *     import { loadRecognizer } from "./module/recognizer.js";
 *     const recognizer = await loadRecognizer();
 *     const faces = await recognizer.recognize(file);
 */

import { fetchJson } from "./loading.js";
import { Problem, unpackError } from "./problems.js";

/** WebAssembly module that is valid only in browsers with relaxed SIMD. */
const RELAXED_SIMD = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15, 253,
  128, 2, 11,
]);

/** Return a `Problem` that says what this browser lacks; null if it lacks nothing. */
export function findProblem() {
  if (!globalThis.isSecureContext) {
    return new Problem("insecure", "Reading pictures on this device needs a page of https:// or localhost.");
  }
  const wanted = ["Worker", "WebAssembly", "OffscreenCanvas", "DecompressionStream", "createImageBitmap"];
  const missing = wanted.filter((name) => !(name in globalThis));
  if (!missing.length) return null;
  const names = missing.join(", ");
  const message = `Reading pictures on this device needs a newer browser; this one has no ${names}.`;
  return new Problem("missing", message, { names });
}

/**
 * Load the networks and their runtime; call this once per page.
 *
 * @param options `base`: address of the folder of `settings.json`, which may be relative to the page, by default the
 *   one above this file's; `onProgress`: function that is called with the share that is loaded, 0 to 1.
 * @returns a `Recognizer`.
 * @throws `Problem` if this browser cannot run the networks, or a file cannot be loaded.
 */
export async function loadRecognizer({ base: folder = new URL("..", import.meta.url), onProgress } = {}) {
  const problem = findProblem();
  if (problem) throw problem;
  const base = new URL(`${folder}`.replace(/\/?$/, "/"), document.baseURI).href;
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

/** Recognizer that reads pictures in its own worker. */
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
   * Find the faces in a picture and classify their expressions.
   *
   * @param image File or other Blob, an image, canvas or video element, ImageBitmap, ImageData or VideoFrame.
   * @param options as `Pipeline.recognize` takes them.
   * @returns an array of the faces, the largest first, each as `Pipeline.recognize` returns it. The array also has
   *   `left_out`, the number of smaller faces that were not classified, and the picture's `width` and `height`.
   */
  async recognize(image, options = {}) {
    const { faces, ...facts } = await this.send("recognize", image, { options });
    return Object.assign(faces, facts);
  }

  /** Return the JSON document of a picture, in the same form as `fer predict --json`. */
  record(image, name, options = {}) {
    return this.send("record", image, { name, options });
  }

  /** Start a run of frames, such as those of a camera: earlier faces are forgotten, and numbers begin at 1. */
  startRun() {
    return this.ask("start");
  }

  /**
   * Recognize and track the faces in the next frame of the run.
   *
   * @param image as `recognize` takes it, preferably the video element.
   * @param seconds time of the frame.
   * @returns `{ width, height, faces, left_out }`: the size to which the frame was scaled, and the faces with a box in
   *   its pixels, their `number` and smoothed probabilities. Null if the earlier frame is still being read: this frame
   *   is dropped then, so that frames never queue.
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

  /** End the worker and free its memory; calls that are not answered yet fail. */
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
