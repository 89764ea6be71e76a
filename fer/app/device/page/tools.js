/** What the pages' scripts share: the app's settings, one recognizer for all of them, texts, elements and figures. */

import { findProblem, loadRecognizer } from "../module/recognizer.js";

/** Key of the text for each `code` of `fer/web/module/problems.js`. */
const PROBLEMS = {
  insecure: "device.problem_insecure",
  missing: "device.problem_missing",
  unloadable: "device.problem_unloadable",
  changed: "device.problem_changed",
  worker: "device.problem_worker",
  undecodable: "device.problem_undecodable",
};

let settings;
let recognizer;

/** Return the settings of `page.json`. */
export function loadSettings() {
  settings ??= fetch(new URL("../page.json", import.meta.url), { cache: "no-cache" }).then((answer) => answer.json());
  return settings;
}

/**
 * Return the page's one `Recognizer`; the first call loads it.
 *
 * @param onProgress called with the share that is loaded, 0 to 1.
 */
export async function getRecognizer(onProgress) {
  if (recognizer && (await recognizer).failure) recognizer = undefined;
  recognizer ??= loadRecognizer({ onProgress }).catch((error) => {
    recognizer = undefined;
    throw error;
  });
  return recognizer;
}

/** The texts of `fer/app/languages`, in the language of the page. */
export class Texts {
  constructor(texts) {
    Object.assign(this, { texts, language: "en" });
  }

  /** Return a text with its `{placeholders}` filled in, which are formatted as in Python: `{share:.0%}`, `{rate:.1f}`. */
  say(key, values = {}) {
    const text = this.texts[this.language]?.[key] ?? this.texts.en[key];
    return text.replace(/\{(\w+)(?::\.(\d)([%f]))?\}/g, (_, name, digits, kind) => {
      if (!kind) return values[name];
      return kind === "%" ? `${(100 * values[name]).toFixed(digits)}%` : values[name].toFixed(digits);
    });
  }

  /** Return the name of a class; one without a translation keeps its own. */
  sayClass(label) {
    return `emotion.${label}` in this.texts.en ? this.say(`emotion.${label}`) : label;
  }

  sayExpression(face) {
    return this.sayOf("face.reading", face);
  }

  caption(number, face) {
    return this.sayOf("face.caption", face, { number });
  }

  sayLeftOut(count) {
    return count ? ` ${this.say("face.left_out", { count })}` : "";
  }

  /** Return what is wrong in the language of the page; in English where `fer/web/module/problems.js` has no code for it. */
  sayProblem({ code, values, message }) {
    return code in PROBLEMS ? this.say(PROBLEMS[code], values) : message;
  }

  sayOf(key, { label, probabilities, confident }, values = {}) {
    const emotion = this.sayClass(label);
    return this.say(confident ? key : `${key}_not_sure`, { emotion, share: probabilities[label], ...values });
  }
}

/** The switch between this device and the server, and the sentence that says why the server reads. */
export class Switch {
  /**
   * @param input the checkbox.
   * @param notice element for the sentence.
   * @param texts `Texts`.
   * @param onLeave called when the server is to read.
   */
  constructor(input, notice, texts, onLeave) {
    Object.assign(this, { input, notice, texts });
    this.input.addEventListener("change", () => {
      if (!this.input.checked) return onLeave();
      this.problem = null;
      this.sayWhy();
      return this.check();
    });
  }

  /** Have the server read, if the switch is on and this browser cannot. */
  check() {
    const problem = findProblem();
    if (problem && this.input.checked) this.fallBack(problem);
    else if (this.problem) this.sayWhy();
  }

  /** @param problem `Problem` or other error because of which the server reads. */
  fallBack(problem) {
    if (this.input.checked) this.input.click();
    this.problem = problem;
    this.sayWhy();
  }

  sayWhy() {
    const reason = this.problem && this.texts.sayProblem(this.problem);
    this.notice.textContent = reason ? this.texts.say("device.fallback", { reason }) : "";
  }
}

/** Return an element: `make("p", { className: "title" }, "text", child)`. */
export function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in element) element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

/** Return a text for HTML. */
export function escape(text) {
  return text.replace(/[&<>"]/g, (letter) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[letter]);
}

/** Return a share in whole percent. */
export function percent(share) {
  return `${(100 * share).toFixed(0)}%`;
}
