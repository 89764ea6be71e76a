/** Worker that runs the networks, so that the page stays responsive: it answers each message with one message. */

import { fetchChecked } from "./loading.js";
import { photoRecord, Pipeline } from "./pipeline.js";
import { readPicture } from "./picture.js";
import { packError } from "./problems.js";
import { Network, startRuntime } from "./runtime.js";
import { FaceTracker } from "./tracking.js";
import { setBinary } from "./wasm.js";

let pipeline;
let tracker;

const TASKS = {
  /** Load the runtime and the networks; `base` is the folder of `settings.json`, `build` a key of `runtime.builds`. */
  async load({ settings, base, build }) {
    const { files, builds } = settings.runtime;
    const { script, wasm } = builds[build];
    const wanted = { [wasm]: { file: `runtime/${wasm}`, ...files[wasm] }, ...settings.networks };
    const total = Object.values(wanted).reduce((sum, { bytes }) => sum + bytes, 0);
    let loaded = 0;
    const onBytes = (more) => postMessage({ progress: Math.min(1, (loaded += more) / total) });
    const contents = await Promise.all(
      Object.entries(wanted).map(async ([name, record]) => [name, await fetchChecked(base + record.file, record, onBytes)]),
    );
    const content = Object.fromEntries(contents);
    setBinary(content[wasm], `${base}runtime/${script}`);
    await startRuntime();
    const networks = Object.entries(settings.networks).map(([name, { shapes }]) => [name, new Network(content[name], shapes)]);
    pipeline = new Pipeline(settings, Object.fromEntries(networks));
  },

  async recognize({ image, options }) {
    const picture = await readPicture(image);
    const { width, height } = picture;
    return { width, height, ...(await pipeline.recognize(picture, options)) };
  },

  /** Start a run of frames, which `follow` reads one by one. */
  async start() {
    tracker = new FaceTracker(pipeline.settings.tracking, pipeline.limits);
  },

  async follow({ image, seconds }) {
    const { live_side, max_faces } = pipeline.settings.tracking;
    const picture = await readPicture(image, live_side);
    const { width, height } = picture;
    const { faces, left_out } = await pipeline.recognize(picture, { most: max_faces });
    return { width, height, faces: tracker.update(faces, seconds), left_out };
  },

  async record({ image, name, options }) {
    return photoRecord(name, await TASKS.recognize({ image, options }), pipeline.settings.model.name);
  },
};

// Messages are answered one after the other, because LiteRT runs one network at a time.
let before = Promise.resolve();
onmessage = ({ data: { id, task, ...given } }) => {
  before = before
    .then(() => TASKS[task](given))
    .then((answer) => postMessage({ id, answer }))
    .catch((error) => postMessage({ id, error: packError(error) }));
};
