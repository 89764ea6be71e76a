/** Fetch the files that the settings name, with progress, and check each by its sha256. */

import { Problem } from "./problems.js";

/**
 * Return the bytes of a file.
 *
 * @param url of the file.
 * @param record of the settings: `sha256` and `size` of the content, `bytes` that are sent.
 * @param onBytes called with how many more have come.
 * @throws Error in one sentence, if it cannot be fetched or is another file.
 */
export async function fetchChecked(url, record, onBytes) {
  // A file of another content has another address, so that a cache cannot mix them.
  const sent = await fetchBytes(`${url}?${record.sha256.slice(0, 16)}`, onBytes);
  const content = isPacked(sent) ? await unpack(sent) : sent;
  const digest = toHex(await crypto.subtle.digest("SHA-256", content));
  if (digest !== record.sha256) {
    throw new Problem("changed", `${url}: sha256 ${record.sha256} expected. Received: ${digest}`, { file: url });
  }
  return content;
}

/** Return a JSON document; always asks whether there is a newer one. */
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

/** Whether bytes are gzip; a server that knows the suffix `.gz` may have had the browser unpack them already. */
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
