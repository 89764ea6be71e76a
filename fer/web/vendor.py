"""Download LiteRT.js, the runtime of the browser's recognizer: `python -m fer.web.vendor`, or `make vendor`.

The result is committed in `fer/web/runtime`, so that nothing is downloaded when the app is installed or a page is
loaded. `npm pack` downloads the package, whose sha256 is checked.

The WebAssembly is stored compressed (2.8 MB instead of 9.4 MB), and the module decompresses it in the browser, because
not every static host can send `Content-Encoding`. It is compressed with gzip and not with Brotli, because the
`DecompressionStream` of every browser supports gzip.
"""

import gzip
import hashlib
import subprocess
import tarfile
import tempfile
from pathlib import Path

from fer.errors import UserError
from fer.outputs import write_json

RUNTIME = Path(__file__).parent / "runtime"
"""Folder of the runtime's files."""
PACKAGE, VERSION = "@litertjs/core", "2.5.3"
"""Name and version of the npm package."""
PACKAGE_SHA256 = "a97660833e9e7e1063c95e12016718881240b14f7438728a2f62785e912d30fd"
"""SHA-256 of the package's archive in the npm registry."""
BUILDS = {"relaxed": "litert_wasm_internal", "compatible": "litert_wasm_compat_internal"}
"""Names of the files of each build in the package: with relaxed SIMD, which recent browsers support, and without."""
REPLACEMENTS = {
    # The package's loader runs classic scripts, which a module worker cannot do, and does not check the files.
    b'from "@litertjs/wasm-utils"': b'from "../module/wasm.js"',
    # Networks as small as these run on the processor. Asking for a GPU takes time, and prints a warning without one.
    b"await Environment.create()": b"await Environment.create({ webGpuDevice: null })",
}
"""Replacements in the package's script."""
MANIFEST = RUNTIME / "runtime.json"
"""Path of the document with the version, and the size and sha256 of each file; for WebAssembly, before compression."""


def main() -> None:
    """Download the package, and write the files in `fer/web/runtime`.

    Raises:
        UserError: if the package does not have the sha256 `PACKAGE_SHA256`.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = _unpack(_fetch(Path(folder)))
    contents = {"litert.js": _adapt(files["dist/index.js"])}
    builds = {}
    for build, name in BUILDS.items():
        contents[f"{name}.js"] = files[f"wasm/{name}.js"] + b"export default ModuleFactory;\n"
        contents[f"{name}.wasm"] = files[f"wasm/{name}.wasm"]
        builds[build] = {"script": f"{name}.js", "wasm": f"{name}.wasm.gz"}
    records = {}
    for name, content in contents.items():
        packed = name.endswith(".wasm")
        file = RUNTIME / (f"{name}.gz" if packed else name)
        file.write_bytes(gzip.compress(content, 9, mtime=0) if packed else content)
        records[file.name] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    write_json(MANIFEST, {"version": VERSION, "builds": builds, "files": records})


def _fetch(folder):
    command = ["npm", "pack", "--silent", f"{PACKAGE}@{VERSION}", "--pack-destination", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (archive,) = folder.glob("*.tgz")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    if digest != PACKAGE_SHA256:
        raise UserError(f"{PACKAGE} {VERSION}: sha256 {PACKAGE_SHA256} expected. Received: {digest}")
    return archive


def _unpack(archive):
    """Return the content of the package's files by path."""
    with tarfile.open(archive) as package:
        members = [member for member in package if member.isfile()]
        return {member.name.removeprefix("package/"): package.extractfile(member).read() for member in members}


def _adapt(script):
    """Return the package's script with the `REPLACEMENTS`, and without its source map."""
    for theirs, ours in REPLACEMENTS.items():
        if script.count(theirs) != 1:
            raise UserError(f"{PACKAGE} {VERSION}: its script must have `{theirs.decode()}` once. Received: another")
        script = script.replace(theirs, ours)
    return script.split(b"//# sourceMappingURL=")[0]


if __name__ == "__main__":
    main()
