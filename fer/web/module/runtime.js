/** Run LiteRT files in the browser: LiteRT.js, and the input shapes that it cannot change by itself. */

import { Tensor, loadAndCompile, loadLiteRt } from "../runtime/litert.js";

/** Shapes of one network that are kept open at the same time: those of a picture's passes, and of one before. */
const MAX_OPEN = 4;

/** Start LiteRT.js; `wasm.js` then takes what `setBinary` was given. */
export function startRuntime() {
  return loadLiteRt("../runtime");
}

/** A network, which takes inputs of several shapes. */
export class Network {
  /**
   * @param content the bytes of its LiteRT file.
   * @param shapes of `fer/web/shapes.py`.
   */
  constructor(content, { input, maps, batches }) {
    Object.assign(this, { content, shape: input, maps, batches, open: new Map() });
  }

  /**
   * Return the outputs by name, typed arrays.
   *
   * @param values the input, Float32Array or Uint8Array.
   * @param shape of the input; by default the network's own. Height and width are multiples of an eighth of its own.
   */
  async run(values, shape = this.shape) {
    const model = await this.compile(shape);
    const input = new Tensor(values, shape);
    const outputs = await model.run([input]);
    const details = model.getOutputDetails();
    const entries = outputs.map((output, index) => [details[index].name, output.toTypedArray().slice()]);
    for (const tensor of [input, ...outputs]) tensor.delete();
    return Object.fromEntries(entries);
  }

  async compile(shape) {
    const key = shape.join();
    const known = this.open.get(key);
    const model = known ?? (await loadAndCompile(this.reshape(shape), { accelerator: "wasm" }));
    this.open.delete(key);
    this.open.set(key, model); // The last in the map is the last that was used.
    if (this.open.size > MAX_OPEN) {
      const [oldest, unused] = this.open.entries().next().value;
      unused.delete();
      this.open.delete(oldest);
    }
    return model;
  }

  /** A copy of the file with the shapes that follow from an input shape. */
  reshape([, height, width]) {
    const content = this.content.slice();
    const view = new DataView(content.buffer);
    for (const place of this.batches) view.setInt32(place, 1, true);
    const [, ownHeight, ownWidth] = this.shape;
    if (height === ownHeight && width === ownWidth) return content;
    for (const place of this.maps) {
      view.setInt32(place, (view.getInt32(place, true) * height) / ownHeight, true);
      view.setInt32(place + 4, (view.getInt32(place + 4, true) * width) / ownWidth, true);
    }
    return content;
  }
}
