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
  // The address depends on the content, so that a cache cannot return an earlier version.
  const sent = await fetchBytes(`${url}?${record.sha256.slice(0, 16)}`, onBytes);
  const content = isPacked(sent) ? await unpack(sent) : sent;
  const digest = toHex(await crypto.subtle.digest("SHA-256", content));
  if (digest !== record.sha256) {
    throw new Problem("changed", `${url}: sha256 ${record.sha256} expected. Received: ${digest}`, { file: url });
  }
  return content;
}

/** Fetch a JSON document; the cache is used only if the server confirms that the document has not changed. */
export async function fetchJson(url) {
  return (await request(url, { cache: "no-cache" })).json();
}

async function request(url, options) {
  const response = await fetch(url, options).catch((error) => ({ ok: false, status: error.message }));
  if (response.ok) return response;
  throw new Problem("unloadable", `${url}: cannot be loaded (${response.status}).`, { file: url });
}

async function fetchBytes(url, onBytes) {
  const response = await request(url);
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
