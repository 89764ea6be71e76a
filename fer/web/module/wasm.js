/** What LiteRT.js loads its WebAssembly with: bytes that were checked, and a script that is a module. */

let binary;

/** Give the bytes of the WebAssembly, and the address of the script that goes with them. */
export function setBinary(bytes, script) {
  binary = { bytes, script };
}

/** Called by `runtime/litert.js`, in the place of the function of this name of `@litertjs/wasm-utils`. */
export async function createWasmLib(LiteRt) {
  const { default: ModuleFactory } = await import(binary.script);
  const module = await ModuleFactory({ wasmBinary: binary.bytes, printErr: () => {} });
  binary = undefined;
  return new LiteRt(module);
}
