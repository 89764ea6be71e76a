/** Camera: open it, explain why it cannot be opened, and take a photo with it. */

import { make } from "./tools.js";

/** Key of the text for each way in which a browser refuses the camera. */
const REFUSALS = {
  NotAllowedError: "device.denied",
  SecurityError: "device.denied",
  NotFoundError: "device.no_camera",
  OverconstrainedError: "device.no_camera",
  NotReadableError: "device.camera_busy",
  AbortError: "device.camera_busy",
};

/** Open the camera with constraints, such as the size of its picture, and return its `MediaStream`. */
function openCamera(constraints) {
  if (!navigator.mediaDevices) return Promise.reject(new DOMException("", "NotFoundError"));
  return navigator.mediaDevices.getUserMedia({ video: constraints });
}

/** Return the key and the values of the message on why `openCamera` failed. */
function explainRefusal(error) {
  return [REFUSALS[error.name] ?? "device.camera_failed", { reason: error.message }];
}

/** Switch the camera off. */
export function closeCamera(media) {
  for (const track of media?.getTracks() ?? []) track.stop();
}

/**
 * Open the camera for a run of a view, and connect it to the view's video element. The run ends if the camera is lost.
 *
 * @param view object with `run` (the current run), `video`, and `stop(key, values)`, which ends the run with a message.
 * @param run the run; it gets the stream as `media`.
 * @param constraints as `openCamera` takes them.
 * @returns whether the run has the camera; false if the camera was refused or the run ended meanwhile.
 */
export async function connectCamera(view, run, constraints) {
  try {
    run.media = await openCamera(constraints);
  } catch (error) {
    if (view.run === run) view.stop(...explainRefusal(error));
    return false;
  }
  if (view.run !== run) {
    closeCamera(run.media);
    return false;
  }
  const [track] = run.media.getVideoTracks();
  track.addEventListener("ended", () => view.run === run && view.stop("device.lost"));
  view.video.srcObject = run.media;
  return true;
}

/** A button that shows the camera's picture, and one that takes a photo of it. */
export class PhotoCamera {
  /**
   * @param constraints as `openCamera` takes them.
   * @param texts `Texts` of the page.
   * @param onPhoto function that is called with the photo, a File.
   * @param onSay function that is called with the key and the values of a message.
   */
  constructor(constraints, texts, onPhoto, onSay) {
    Object.assign(this, { constraints, texts, onPhoto, onSay });
    this.video = make("video", { muted: true, playsInline: true });
    this.stage = make("div", { className: "stage", hidden: true }, this.video);
    this.button = make("button", { type: "button" });
    this.capture = make("button", { type: "button", className: "primary", hidden: true, disabled: true });
    this.button.addEventListener("click", () => (this.run ? this.stop("device.waiting") : this.start()));
    this.capture.addEventListener("click", () => this.take());
    // The camera is switched off when its page is hidden, by another tab or by the page's switch.
    new ResizeObserver(() => this.run && !this.button.clientHeight && this.stop("device.waiting")).observe(this.button);
  }

  speak() {
    this.button.textContent = this.texts.say(this.run ? "device.cancel" : "device.camera");
    this.capture.textContent = this.texts.say("device.capture");
  }

  async start() {
    const run = {};
    this.show(run);
    this.onSay("device.asking");
    if (!(await connectCamera(this, run, this.constraints))) return;
    try {
      await this.video.play();
    } catch (error) {
      if (this.run === run) this.stop(...explainRefusal(error));
      return;
    }
    if (this.run !== run) return;
    this.capture.disabled = false;
    this.capture.focus();
    this.onSay("device.camera_ready");
  }

  /** Take the camera's picture, not mirrored, and switch the camera off. */
  async take() {
    const { videoWidth: width, videoHeight: height } = this.video;
    const canvas = new OffscreenCanvas(width, height);
    canvas.getContext("2d").drawImage(this.video, 0, 0);
    this.stop();
    this.button.focus();
    this.onPhoto(new File([await canvas.convertToBlob()], "camera.png", { type: "image/png" }));
  }

  /** Switch the camera off; then show a message, if a key is given. */
  stop(key, values) {
    closeCamera(this.run?.media);
    this.show(null);
    if (key) this.onSay(key, values);
  }

  show(run) {
    this.run = run;
    if (!run) this.video.srcObject = null;
    this.stage.hidden = this.capture.hidden = !run;
    this.capture.disabled = true;
    this.speak();
  }
}
