"""Fetch LiteRT.js, the runtime of the browser's recognizer: `python -m fer.web.vendor`, or `make vendor`.

What comes out is committed in `fer/web/runtime`, so that nothing is fetched when the app is installed or a page is
loaded. `npm pack` fetches the package; its sha256 is checked against the one below.

The WebAssembly is stored compressed (9.4 MB become 2.8 MB), and the module unpacks it in the browser, because static
hosts cannot be told to send `Content-Encoding`. gzip, not Brotli: every browser unpacks gzip by `DecompressionStream`.
"""

import gzip
import hashlib
import subprocess
import tarfile
import tempfile
from pathlib import Path

from fer.documents import to_json
from fer.errors import UserError

RUNTIME = Path(__file__).parent / "runtime"
"""Folder of the runtime's files."""
PACKAGE, VERSION = "@litertjs/core", "2.5.3"
PACKAGE_SHA256 = "a97660833e9e7e1063c95e12016718881240b14f7438728a2f62785e912d30fd"
"""Digest of the package's archive as the npm registry sends it."""
BUILDS = {"relaxed": "litert_wasm_internal", "compatible": "litert_wasm_compat_internal"}
"""Name of each build's files in the package: with relaxed SIMD, which recent browsers have, and without it."""
REPLACEMENTS = {
    # Their loader runs classic scripts, which a module worker cannot, and takes files that nobody has checked.
    b'from "@litertjs/wasm-utils"': b'from "../module/wasm.js"',
    # Networks as small as ours run on the processor; asking for a GPU takes time, and a warning where there is none.
    b"await Environment.create()": b"await Environment.create({ webGpuDevice: null })",
}
"""What is changed in the package's script."""
MANIFEST = RUNTIME / "runtime.json"
"""Document with the version, and size and sha256 of every file; those of WebAssembly before it is compressed."""


def main():
    """Fetch the package and write `fer/web/runtime` anew.

    Raises:
        UserError: if the package is not the one whose sha256 stands here.
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
    MANIFEST.write_text(to_json({"version": VERSION, "builds": builds, "files": records}, indent=2) + "\n")


def _fetch(folder):
    command = ["npm", "pack", "--silent", f"{PACKAGE}@{VERSION}", "--pack-destination", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (archive,) = folder.glob("*.tgz")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    if digest != PACKAGE_SHA256:
        raise UserError(f"{PACKAGE} {VERSION}: sha256 {PACKAGE_SHA256} expected. Received: {digest}")
    return archive


def _unpack(archive):
    """Return the package's files, bytes by path."""
    with tarfile.open(archive) as package:
        members = [member for member in package if member.isfile()]
        return {member.name.removeprefix("package/"): package.extractfile(member).read() for member in members}


def _adapt(script):
    """Return the package's script with `REPLACEMENTS`, and without its source map."""
    for theirs, ours in REPLACEMENTS.items():
        if script.count(theirs) != 1:
            raise UserError(f"{PACKAGE} {VERSION}: its script must have `{theirs.decode()}` once. Received: another")
        script = script.replace(theirs, ours)
    return script.split(b"//# sourceMappingURL=")[0]


if __name__ == "__main__":
    main()
