/** Run LiteRT files in the browser with LiteRT.js, with input shapes that LiteRT.js cannot change itself. */

import { Tensor, loadAndCompile, loadLiteRt } from "../runtime/litert.js";

/** Largest number of compiled models per network, one per input shape: mostly those of a picture and of the one before. */
const MAX_OPEN = 4;

/** Start LiteRT.js with the WebAssembly that `setBinary` of `wasm.js` was given. */
export function startRuntime() {
  return loadLiteRt("../runtime");
}

/** Network that takes inputs of several shapes. */
export class Network {
  /**
   * @param content bytes of its LiteRT file.
   * @param shapes facts about the file's shapes, of `fer/web/shapes.py`.
   */
  constructor(content, { input, maps, batches }) {
    Object.assign(this, { content, shape: input, maps, batches, open: new Map() });
  }

  /**
   * Run the network, and return its outputs by name, as typed arrays.
   *
   * @param values values of the input, a Float32Array or Uint8Array.
   * @param shape shape of the input; by default the network's own. Height and width must be multiples of an eighth of
   *   the network's own.
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
    this.open.set(key, model); // The map is in the order of use: the most recently used model is last.
    if (this.open.size > MAX_OPEN) {
      const [oldest, unused] = this.open.entries().next().value;
      unused.delete();
      this.open.delete(oldest);
    }
    return model;
  }

  /** Return a copy of the file whose tensors have the shapes that follow from an input shape. */
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
