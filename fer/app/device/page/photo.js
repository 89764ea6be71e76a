/** The photo page on this device: the browser reads the photo and creates the downloads. */

import { fetchBlob } from "../module/loading.js";
import { decodePicture } from "../module/picture.js";
import { photoRecord } from "../module/pipeline.js";
import { PhotoCamera } from "./camera.js";
import { drawFaces, faceAt } from "./drawing.js";
import { viewFace } from "./face_view.js";
import { viewTable } from "./table.js";
import { getRecognizer, loadSettings, make, Switch, Texts } from "./tools.js";

/** Quality (0-1) of the picture that is saved as JPEG. */
const QUALITY = 0.9;

/** Fill an element with the page; return its view, whose `speak(language)` changes the language. */
export async function open(root, switchInput) {
  return new PhotoView(root, switchInput, await loadSettings());
}

class PhotoView {
  constructor(root, switchInput, settings) {
    this.settings = settings;
    this.texts = new Texts(settings.texts);
    this.file = make("input", { type: "file", accept: "image/*" });
    this.choice = make("span", {});
    this.drop = make("label", { className: "drop" }, this.choice, this.file);
    this.camera = new PhotoCamera(
      settings.photo.camera, this.texts, (photo) => this.take(photo), (...status) => this.say(status),
    );
    this.example = make("button", { type: "button" });
    this.cropped = make("input", { type: "checkbox" });
    this.smallest = make("input", { type: "range", min: 0, max: settings.photo.most_smallest_face, value: 0 });
    this.croppedText = make("span", {});
    this.smallestText = make("span", {});
    this.smallestValue = make("output", {}, "0");
    this.canvas = make("canvas", { className: "annotated", role: "img", width: 0, height: 0 });
    this.progress = make("progress", { max: 1, value: 0, hidden: true });
    this.message = make("p", { className: "message", role: "status" });
    this.legend = make("legend", {});
    this.numbers = make("div", { className: "numbers" });
    this.panel = make("div", {});
    this.savePicture = make("button", { type: "button" });
    this.saveRecord = make("button", { type: "button" });
    this.table = make("div", { className: "table" });
    const notice = make("p", { className: "notice", role: "status" });
    const options = [
      make("label", {}, this.cropped, this.croppedText),
      make("label", { className: "smallest" }, this.smallestText, this.smallest, this.smallestValue),
    ];
    const { stage, capture, button } = this.camera;
    const taking = make("div", { className: "buttons" }, capture, button);
    const input = make("div", { className: "column input" }, this.drop, stage, taking, this.example, ...options);
    const answer = make("div", { className: "column" }, this.canvas, this.progress, this.message);
    const save = make("div", { className: "buttons" }, this.savePicture, this.saveRecord);
    const face = make("div", { className: "column" }, make("fieldset", {}, this.legend, this.numbers), this.panel, save);
    const columns = make("div", { className: "columns" }, input, answer, face);
    root.replaceChildren(notice, make("div", { className: "view" }, columns, this.table));
    this.switch = new Switch(switchInput, notice, this.texts, () => this.take(null));
    this.status = ["device.waiting"];
    this.answer = null;
    this.reading = null;
    this.listen();
  }

  listen() {
    this.file.addEventListener("change", () => this.file.files[0] && this.take(this.file.files[0]));
    this.example.addEventListener("click", () => this.takeExample());
    this.drop.addEventListener("dragover", (event) => event.preventDefault());
    this.drop.addEventListener("drop", (event) => {
      event.preventDefault();
      if (event.dataTransfer.files[0]) this.take(event.dataTransfer.files[0]);
    });
    document.addEventListener("paste", (event) => {
      const file = [...event.clipboardData.files].find(({ type }) => !type || type.startsWith("image/"));
      if (file && this.drop.clientHeight) this.take(file);
    });
    this.smallest.addEventListener("input", () => (this.smallestValue.value = this.smallest.value));
    for (const option of [this.cropped, this.smallest]) {
      option.addEventListener("change", () => this.photo && this.take(this.photo));
    }
    this.canvas.addEventListener("click", ({ offsetX, offsetY }) => {
      if (!this.answer) return;
      const scale = this.answer.width / this.canvas.clientWidth;
      const index = faceAt(this.answer.faces, offsetX * scale, offsetY * scale);
      if (index >= 0) this.numbers.querySelectorAll("input")[index].click();
    });
    this.savePicture.addEventListener("click", () =>
      this.canvas.toBlob((blob) => save(blob, "faces.jpg"), "image/jpeg", QUALITY));
    this.saveRecord.addEventListener("click", () => {
      const record = photoRecord(this.photo.name, this.answer, this.model.name);
      save(new Blob([JSON.stringify(record, null, 2)], { type: "application/json" }), "faces.json");
    });
  }

  speak(language) {
    this.texts.language = language || "en";
    const say = (key) => this.texts.say(key);
    this.choice.textContent = say("device.choose");
    this.example.textContent = say("photo.example");
    this.croppedText.textContent = say("photo.cropped");
    this.smallestText.textContent = say("photo.smallest");
    this.canvas.setAttribute("aria-label", say("photo.alt"));
    this.progress.ariaLabel = say("device.loading");
    this.legend.textContent = say("photo.face");
    this.savePicture.textContent = say("photo.save_picture");
    this.saveRecord.textContent = say("photo.save_record");
    this.camera.speak();
    this.switch.check();
    this.show();
  }

  /** Show a message instead of an answer; `status` is its key and values. */
  say(status) {
    this.turn = Symbol("turn");
    this.answer?.bitmap.close();
    Object.assign(this, { photo: null, answer: null, status });
    this.show();
  }

  /** Read the example, unless another photo is chosen while it is loaded. */
  async takeExample() {
    this.say(["device.reading"]);
    const { turn } = this;
    try {
      const file = await fetchBlob(new URL("../example.jpg", import.meta.url).href);
      if (this.turn === turn) this.take(new File([file], "astronaut.jpg", { type: "image/jpeg" }));
    } catch (error) {
      if (this.turn === turn) this.say(["device.error", { problem: error }]);
    }
  }

  /**
   * Read a photo, or clear the page if it is null. Of several calls only the last one shows its answer; those that are
   * outdated before their reading begins are not read.
   */
  async take(photo) {
    const turn = (this.turn = Symbol("turn"));
    if (this.camera.run) this.camera.stop();
    this.answer?.bitmap.close();
    Object.assign(this, { photo, answer: null, status: [photo ? "device.reading" : "device.waiting"] });
    this.file.value = "";
    this.show();
    if (!photo) return;
    let recognizer;
    this.progress.hidden = false;
    try {
      recognizer = await getRecognizer((share) => (this.progress.value = share));
    } catch (error) {
      if (this.turn === turn) this.switch.fallBack(error);
      return;
    } finally {
      this.progress.hidden = true;
    }
    this.model = recognizer.settings.model;
    this.colors = recognizer.settings.colors;
    try {
      const options = { already_cropped: this.cropped.checked, smallest_face: this.smallest.value / 100 };
      while (this.reading) await this.reading;
      if (this.turn !== turn) return;
      const reading = recognizer.recognize(photo, options);
      const over = () => (this.reading = null);
      this.reading = reading.then(over, over);
      const faces = await reading;
      if (this.turn !== turn) return;
      const bitmap = await decodePicture(photo);
      if (this.turn !== turn) {
        bitmap.close();
        return;
      }
      const { width, height, left_out } = faces;
      this.answer = { width, height, faces, left_out, bitmap };
      this.chosen = 0;
      this.status = summarize(faces, this.smallest.value > 0);
    } catch (error) {
      if (this.turn !== turn) return;
      this.status = ["device.error", { problem: error }];
    }
    this.show();
  }

  /** Show the answer, or the empty page, in the language of the page. */
  show() {
    const { answer, texts } = this;
    const [key, values = {}] = this.status;
    const [face] = values.faces ?? [];
    const said = {
      ...(face && { reading: texts.sayExpression(face) }),
      ...(values.problem && { reason: texts.sayProblem(values.problem) }),
    };
    this.message.textContent = texts.say(key, { ...values, ...said });
    this.message.textContent = this.message.textContent.replaceAll("**", "") + texts.sayLeftOut(answer?.left_out);
    this.savePicture.disabled = this.saveRecord.disabled = !answer;
    this.draw();
    const faces = answer?.faces ?? [];
    this.numbers.replaceChildren(...faces.map((face, index) => this.makeRadio(face, index)));
    this.table.replaceChildren(viewTable(texts, this.labels, faces));
    this.showFace();
  }

  get labels() {
    return this.model?.labels ?? this.settings.labels;
  }

  makeRadio(face, index) {
    const radio = make("input", { type: "radio", name: "face-on-device", checked: index === this.chosen });
    radio.addEventListener("change", () => {
      this.chosen = index;
      this.showFace();
    });
    return make("label", {}, radio, this.texts.caption(index + 1, face));
  }

  showFace() {
    const { labels, colors = {}, settings: { heat } } = this;
    const model = { labels, colors, heat, image_size: this.model?.image_size };
    this.panel.replaceChildren(viewFace(this.texts, model, this.answer?.faces[this.chosen]));
  }

  draw() {
    if (!this.answer) {
      Object.assign(this.canvas, { width: 0, height: 0 });
      return;
    }
    const { bitmap, faces, width, height } = this.answer;
    const drawn = drawFaces(bitmap, faces, this.colors, (number, face) => this.texts.caption(number, face));
    const scale = Math.min(1, this.settings.photo.display_side / Math.max(width, height));
    Object.assign(this.canvas, { width: Math.round(width * scale), height: Math.round(height * scale) });
    const context = this.canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(drawn, 0, 0, this.canvas.width, this.canvas.height);
  }
}

/** Return the key and the values of the message on the faces that were found. */
function summarize(faces, isLimited) {
  if (!faces.length) return [isLimited ? "photo.none_so_large" : "photo.none"];
  return faces.length > 1 ? ["photo.several", { count: faces.length }] : ["photo.one", { faces }];
}

function save(blob, name) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
