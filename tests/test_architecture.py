"""Rules of the architecture: layers, no circular imports, large libraries in one package each, short modules."""

import ast
import re

import pytest
from conftest import ROOT

FLOORS = (
    ("errors", "labels", "documents", "paths", "outputs", "litert", "file_lock", "resources"),
    ("images",),
    ("detection",),
    ("models",),
    ("hub",),
    ("recognition",),
    ("data",),
    ("training",),
    ("export",),
    ("evaluation",),
    ("publishing",),
    ("scoring",),
    ("web",),
    ("app",),
    ("cli", "__main__"),
)
"""Packages and top modules of `fer` by floor, the lowest first: each may import from its own floor and those below."""
KERAS_LAYERS = "fer.models.layers"
"""The only module up to the floor of recognition that may import Keras at its top; others import it in functions."""
PAGES = "fer.app.pages"
"""Package of the app's pages, which are above everything else in `fer.app` but `demo.py`."""
FILES = sorted((ROOT / "fer").rglob("*.py"))


def module_name(file):
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(file): file for file in FILES}


def imports(file, late=True):
    """Yield the names of the modules that a file imports; with `late`, also imports within functions."""
    nodes = ast.walk(ast.parse(file.read_text())) if late else _walk_module_level(ast.parse(file.read_text()))
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module
            for name in node.names:
                yield f"{module}.{name.name}" if f"{module}.{name.name}" in MODULES else module


def _walk_module_level(node):
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.Lambda):
            yield child
            yield from _walk_module_level(child)


def floor_of(module):
    part = module.split(".")[1] if "." in module else ""
    return next((number for number, floor in enumerate(FLOORS) if part in floor), None)


def test_every_package_has_a_floor():
    assert {name for name in MODULES if "." in name and floor_of(name) is None} == set()


@pytest.mark.parametrize("module", [name for name in MODULES if "." in name])
def test_no_import_goes_upwards(module):
    above = {name for name in imports(MODULES[module]) if name.startswith("fer.") and floor_of(name) > floor_of(module)}
    assert above == set()


def test_no_import_goes_in_a_circle():
    graph = {module: {name for name in imports(file) if name in MODULES} for module, file in MODULES.items()}
    seen, path, circles = set(), [], []

    def walk(module):
        if module in path:
            circles.append([*path[path.index(module) :], module])
        elif module not in seen:
            path.append(module)
            for name in sorted(graph[module]):
                walk(name)
            path.pop()
            seen.add(module)

    for module in graph:
        walk(module)
    assert circles == []


@pytest.mark.parametrize(("library", "package"), [("gradio", "fer.app"), ("ray", "fer.scoring")])
def test_a_large_library_is_used_in_one_place(library, package):
    users = {module for module, file in MODULES.items() if library in {name.split(".")[0] for name in imports(file)}}
    assert users
    assert {user for user in users if not user.startswith(package)} == set()


def test_only_the_assembly_of_the_app_imports_its_pages():
    users = {module for module, file in MODULES.items() if any(name.startswith(PAGES) for name in imports(file))}
    assert {user for user in users if not user.startswith(PAGES)} == {"fer.app.demo"}


@pytest.mark.parametrize("module", MODULES)
def test_recognition_does_not_import_keras(module):
    """At or below recognition, only functions may import Keras; in recognition itself, nothing may."""
    if module == "fer" or (floor_of(module) <= floor_of("fer.recognition") and module != KERAS_LAYERS):
        late = module.startswith("fer.recognition")
        roots = {name.split(".")[0] for name in imports(MODULES[module], late)}
        assert not roots & {"keras", "tensorflow", "sklearn", "matplotlib"}


PRIVATE = re.compile(r"(ray|jax|jaxlib|keras|tensorflow|pyarrow)\.(.*\.)?(_\w+|src|python)(\.|$)")
"""Pattern of the names of private modules of libraries."""
ALLOWED = {"tensorflow.lite.python.schema_py_generated"}
"""Private modules that may be imported: classes of the LiteRT file format that `flatbuffer_utils` needs."""


@pytest.mark.parametrize("module", MODULES)
def test_no_private_module_of_a_library_is_imported(module):
    assert [name for name in imports(MODULES[module]) if PRIVATE.match(name) and name not in ALLOWED] == []


def test_no_module_is_long():
    lengths = {name: len(file.read_text().splitlines()) for name, file in MODULES.items()}
    assert {name: length for name, length in lengths.items() if length > 300} == {}
