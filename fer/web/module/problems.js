/** Errors whose message is one English sentence, with a code by which a page can translate them. */

/** Error with a `code`, one of `insecure`, `missing`, `unloadable`, `changed`, `worker`, `undecodable` and `too_large`,
 * and with the `values` that a translation of its message needs. */
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

/** Return the error of a plain object that `packError` returned. */
export function unpackError({ message, code, values }) {
  return code ? new Problem(code, message, values) : new Error(message);
}
