/** The live page on this device: the browser reads the camera's frames, at up to the camera's rate. */

import { closeCamera, connectCamera } from "./camera.js";
import { Drawing } from "./chart.js";
import { Stream } from "./stream.js";
import { getRecognizer, loadSettings, make, Switch, Texts } from "./tools.js";

/** Milliseconds between two updates of the chart and the message; people could not read faster ones. */
const PANEL_EVERY = 200;
/** Milliseconds for which a message about the camera is shown before the number of faces is shown again. */
const NOTE_TIME = 3000;

/** Fill an element with the page; return its view, whose `speak(language)` changes the language. */
export async function open(root, switchInput) {
  return new LiveView(root, switchInput, await loadSettings());
}

class LiveView {
  constructor(root, switchInput, settings) {
    this.settings = settings;
    this.texts = new Texts(settings.texts);
    this.drawing = new Drawing(settings, this.texts);
    this.video = make("video", { muted: true, playsInline: true });
    this.overlay = make("div", { className: "boxes" });
    this.progress = make("progress", { max: 1, value: 0, hidden: true });
    this.button = make("button", { type: "button", className: "primary" });
    this.message = make("p", { className: "message", role: "status" });
    this.chart = make("div", {});
    const notice = make("p", { className: "notice", role: "status" });
    const stage = make("div", { className: "stage" }, this.video, this.overlay);
    const left = make("div", { className: "column" }, stage, this.progress, this.button, this.message);
    root.replaceChildren(notice, make("div", { className: "view columns" }, left, this.chart));
    this.switch = new Switch(switchInput, notice, this.texts, () => this.stop());
    this.button.addEventListener("click", () => (this.run ? this.stop("live.stopped") : this.start()));
    document.addEventListener("visibilitychange", () => this.run && document.hidden && this.note("device.hidden"));
    // The camera is switched off when its page is hidden, by another tab or by the page's switch.
    new ResizeObserver(() => this.run && !stage.clientHeight && this.stop("live.stopped")).observe(stage);
    this.video.addEventListener("resize", () => this.turn());
    this.status = ["device.start_hint"];
  }

  speak(language) {
    this.texts.language = language || "en";
    this.button.textContent = this.texts.say(this.run ? "device.stop" : "device.start");
    this.progress.ariaLabel = this.texts.say("device.loading");
    this.say(...this.status);
    if (!this.run) this.clear();
    this.switch.check();
  }

  say(key, values, rest = "") {
    this.status = [key, values, rest];
    const text = this.texts.say(key, values) + rest;
    if (this.message.textContent !== text) this.message.textContent = text; // A screen reader reads each change aloud.
  }

  /** Show a message about the camera for `NOTE_TIME`. */
  note(key) {
    this.say(key);
    this.noteUntil = performance.now() + NOTE_TIME;
  }

  clear() {
    this.overlay.replaceChildren();
    this.chart.innerHTML = this.drawing.panel();
  }

  async start() {
    const run = { stream: new Stream(this.settings.stream), drawn: 0 };
    this.run = run;
    this.speak(this.texts.language);
    this.say("device.asking");
    if (!(await connectCamera(this, run, this.settings.camera))) return;
    const [track] = run.media.getVideoTracks();
    track.addEventListener("mute", () => this.run === run && this.note("device.muted"));
    try {
      await this.video.play();
      const recognizer = await this.load();
      if (this.run !== run) return;
      this.drawing.colors = recognizer.settings.colors;
      await recognizer.startRun();
      await recognizer.follow(this.video, 0); // Warm-up: the first frame takes so long that its faces would be lost.
      await recognizer.startRun();
      this.watch(run, recognizer);
    } catch (error) {
      if (this.run === run) this.fail(error);
    }
  }

  async load() {
    this.progress.hidden = false;
    this.say("device.loading");
    try {
      return await getRecognizer((share) => (this.progress.value = share));
    } finally {
      this.progress.hidden = true;
    }
  }

  /** Read each frame that the camera gives while none is being read. */
  watch(run, recognizer) {
    const { video } = this;
    const next = () => {
      if (this.run !== run) return;
      if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(read);
      else requestAnimationFrame(read);
    };
    const read = async () => {
      next();
      if (this.run !== run || document.hidden || video.readyState < video.HAVE_CURRENT_DATA) return;
      const start = performance.now() / 1000;
      try {
        const answer = await recognizer.follow(video, start);
        if (answer && this.run === run) this.show(run, answer, start);
      } catch (error) {
        if (this.run === run) this.fail(error);
      }
    };
    run.recognizer = recognizer;
    next();
  }

  show(run, answer, start) {
    const end = performance.now();
    run.stream.add(answer.faces, start);
    const rates = run.stream.count(start, end / 1000);
    this.overlay.innerHTML = this.drawing.boxes(answer);
    if (end - run.drawn < PANEL_EVERY) return;
    run.drawn = end;
    this.chart.innerHTML = this.drawing.panel(run.stream.followed, start, rates);
    if (end < this.noteUntil) return;
    const count = answer.faces.length;
    this.say(count ? "device.faces" : "live.none", { count }, this.texts.sayLeftOut(answer.left_out));
  }

  /** Start tracking anew after the picture changed its shape, such as when a phone was turned. */
  turn() {
    if (!this.run?.recognizer) return;
    this.overlay.replaceChildren();
    this.run.stream = new Stream(this.settings.stream);
    this.run.recognizer.startRun().catch(() => {}); // The next frame reports the error.
    this.note("device.turned");
  }

  fail(error) {
    this.stop();
    this.switch.fallBack(error);
  }

  stop(key = "device.start_hint", values = {}) {
    closeCamera(this.run?.media);
    this.run = null;
    this.video.srcObject = null;
    this.noteUntil = 0;
    this.button.textContent = this.texts.say("device.start");
    this.say(key, values);
    this.clear();
  }
}
