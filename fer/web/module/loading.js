/** Fetch the files that the settings name, with progress, and check each by its sha256. */

import { Problem } from "./problems.js";

/**
 * Fetch a file, decompress it if it is gzip, and return its bytes.
 *
 * @param url address of the file.
 * @param record entry of the file in the settings, with the `sha256` of the content.
 * @param onBytes function that is called with the number of bytes that have just arrived.
 * @throws `Problem` if the file cannot be fetched or has another sha256.
 */
export async function fetchChecked(url, record, onBytes) {
  const read = async (response) => {
    const sent = await readBytes(response, onBytes);
    return isPacked(sent) ? unpack(sent) : sent;
  };
  // The address depends on the content, so that a cache cannot return an earlier version.
  const content = await request(`${url}?${record.sha256.slice(0, 16)}`, {}, read);
  const digest = toHex(await crypto.subtle.digest("SHA-256", content));
  if (digest !== record.sha256) {
    throw new Problem("changed", `${url}: sha256 ${record.sha256} expected. Received: ${digest}`, { file: url });
  }
  return content;
}

/**
 * Fetch a JSON document; the cache is used only if the server confirms that the document has not changed.
 *
 * @throws `Problem` if it cannot be fetched, or is no JSON.
 */
export function fetchJson(url) {
  return request(url, { cache: "no-cache" }, (response) => response.json());
}

/** Fetch a file as a Blob; throw a `Problem` if it cannot be fetched. */
export function fetchBlob(url) {
  return request(url, {}, (response) => response.blob());
}

/** Fetch an address and return what the function `read` makes of the response. */
async function request(url, options, read) {
  let reason;
  try {
    const response = await fetch(url, options);
    if (response.ok) return await read(response);
    reason = response.status;
  } catch (error) {
    reason = error.message;
  }
  throw new Problem("unloadable", `${url}: cannot be loaded (${reason}).`, { file: url });
}

async function readBytes(response, onBytes) {
  const parts = [];
  const reader = response.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    onBytes?.(part.value.length);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** Return whether bytes are gzip; not if the server sent `Content-Encoding`, so that the browser decompressed them. */
function isPacked(bytes) {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

async function unpack(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function toHex(buffer) {
  return Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
