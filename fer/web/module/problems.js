/** Problems as errors that say what is wrong in one English sentence, and carry a code for pages in other languages. */

/** An error with `code`, one of `insecure`, `missing`, `unloadable`, `changed`, `worker` and `undecodable`, and `values`
 * for a sentence in other words. */
export class Problem extends Error {
  constructor(code, message, values = {}) {
    super(message);
    Object.assign(this, { code, values });
  }
}

/** Return an error as a plain object that can be posted to another thread. */
export function packError(error) {
  return { message: error.message ?? String(error), code: error.code, values: error.values };
}

/** Return the error that `packError` made plain. */
export function unpackError({ message, code, values }) {
  return code ? new Problem(code, message, values) : new Error(message);
}
