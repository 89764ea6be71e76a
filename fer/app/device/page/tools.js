/** Tools that the pages' scripts share: the app's settings, one recognizer for all pages, texts, elements, numbers. */

import { fetchJson } from "../module/loading.js";
import { findProblem, loadRecognizer } from "../module/recognizer.js";

/** Key of the text for each `code` of `fer/web/module/problems.js`. */
const PROBLEMS = {
  insecure: "device.problem_insecure",
  missing: "device.problem_missing",
  unloadable: "device.problem_unloadable",
  changed: "device.problem_changed",
  worker: "device.problem_worker",
  undecodable: "device.problem_undecodable",
  too_large: "device.problem_too_large",
};

let settings;
let recognizer;

/** Functions that are called with the share of the model that is loaded, one of each page that waits for it. */
const listeners = new Set();
let share = 0;

/** Return the settings of `page.json`. */
export function loadSettings() {
  settings ??= fetchJson(new URL("../page.json", import.meta.url).href).catch((error) => {
    settings = undefined; // The next call tries again.
    throw error;
  });
  return settings;
}

/**
 * Return the `Recognizer` that all pages share; the first call loads it, as does the next one after a failure.
 *
 * @param onProgress function that is called with the share that is loaded, 0 to 1.
 */
export async function getRecognizer(onProgress) {
  listeners.add(onProgress);
  try {
    recognizer ??= load();
    onProgress(share);
    const loaded = recognizer;
    if (!(await loaded).failure) return await loaded;
    if (recognizer === loaded) recognizer = load();
    return await recognizer;
  } finally {
    listeners.delete(onProgress);
  }
}

function load() {
  share = 0;
  const onProgress = (loaded) => {
    share = loaded;
    listeners.forEach((listen) => listen(share));
  };
  const loading = loadRecognizer({ onProgress }).catch((error) => {
    if (recognizer === loading) recognizer = undefined;
    throw error;
  });
  return loading;
}

/** Texts of `fer/app/languages`, in the language of the page. */
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

  /** Return the message of a problem in the language of the page; that of an error without a known code is English. */
  sayProblem({ code, values, message }) {
    return code in PROBLEMS ? this.say(PROBLEMS[code], values) : message;
  }

  sayOf(key, { label, probabilities, confident }, values = {}) {
    const emotion = this.sayClass(label);
    return this.say(confident ? key : `${key}_not_sure`, { emotion, share: probabilities[label], ...values });
  }
}

/** Switch between this device and the server, and the message on why the server answers. */
export class Switch {
  /**
   * @param input checkbox of the switch.
   * @param notice element for the message.
   * @param texts `Texts` of the page.
   * @param onLeave function that is called when the server takes over.
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

  /** Let the server answer if the switch is on and this browser cannot run the networks. */
  check() {
    const problem = findProblem();
    if (problem && this.input.checked) this.fallBack(problem);
    else if (this.problem) this.sayWhy();
  }

  /** Let the server answer, because of a `Problem` or another error. */
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

/** Create an element: `make("p", { className: "title" }, "text", child)`. */
export function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in element) element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

/** Return a text with HTML's special characters escaped. */
export function escape(text) {
  return text.replace(/[&<>"]/g, (letter) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[letter]);
}

/** Return a share (0-1) in whole percent. */
export function percent(share) {
  return `${(100 * share).toFixed(0)}%`;
}
