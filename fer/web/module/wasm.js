/** Loader of LiteRT.js' WebAssembly, from bytes that were checked and a script that is a module. */

let binary;

/** Set the bytes of the WebAssembly and the address of its script, for the next `createWasmLib`. */
export function setBinary(bytes, script) {
  binary = { bytes, script };
}

/** Load the WebAssembly. `runtime/litert.js` calls this instead of the same function of `@litertjs/wasm-utils`. */
export async function createWasmLib(LiteRt) {
  const { default: ModuleFactory } = await import(binary.script);
  const module = await ModuleFactory({ wasmBinary: binary.bytes, printErr: () => {} });
  binary = undefined;
  return new LiteRt(module);
}
