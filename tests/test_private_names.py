"""`ALLOWED` lists all private names of other packages that `fer` uses, and all that it replaces in them."""

import ast
import sys

import pytest
from conftest import ROOT

ALLOWED = {
    # Gradio's key of a component in a session, whose choices may differ from the page's.
    "fer/app/server/payloads.py": {"._id"},
    # Gradio's queue: the streams that are open, and the answers that nobody has fetched.
    "fer/app/server/queue_limits.py": {"._queue"},
    # The docstrings of these two modules give the reasons.
    "fer/app/server/replacements.py": {
        "gradio.mcp.GradioMCPServer = …",
        "gradio.processing_utils.async_transport = …",
        "gradio.route_utils.GradioMultiPartParser = …",
    },
    "fer/app/server/startup.py": {"jinja2.Template = …"},
    # A documented setting of Pillow.
    "fer/images/decoding.py": {"PIL.AvifImagePlugin.DEFAULT_MAX_THREADS = …"},
}
"""Private or replaced names of other packages, by file. A new one needs a reason in that file, and a test that fails
when the other package changes; look for a public way first."""
FILES = sorted((ROOT / "fer").rglob("*.py"))
TREES = {str(file.relative_to(ROOT)): ast.parse(file.read_text()) for file in FILES}


PUBLIC = {"_asdict", "_fields", "_replace"}
"""Methods of `typing.NamedTuple`, which are public in spite of the underscore."""


def is_private(name):
    return name.startswith("_") and not name.startswith("__") and name not in PUBLIC


def is_foreign(module):
    """Return whether a module belongs to another package, not to this project or to Python."""
    root = module.partition(".")[0]
    return root not in ("", "fer", *sys.stdlib_module_names)


def defined_names():
    """Yield the names of functions, classes, attributes and variables that this package defines."""
    for tree in TREES.values():
        for node in ast.walk(tree):
            match node:
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    yield name
                case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store()):
                    yield name
                case ast.Name(id=name, ctx=ast.Store()):
                    yield name


OWN = set(defined_names())


def foreign_imports(tree):
    """Yield pairs of the name in a file and the full name of what it imports from other packages."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                if is_foreign(alias.name):
                    yield name, alias.name if alias.asname else name
        elif isinstance(node, ast.ImportFrom) and not node.level and is_foreign(node.module):
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def full_name(node, names):
    """Return the full name of an expression such as `gr.Blocks.queue`; None if it does not begin with an import."""
    if isinstance(node, ast.Attribute):
        base = full_name(node.value, names)
        return base and f"{base}.{node.attr}"
    return names.get(node.id) if isinstance(node, ast.Name) else None


def find_violations(tree):
    """Yield the private names of other packages that a file uses, and the names that it replaces in them."""
    names = dict(foreign_imports(tree))
    own_and_python = {alias.asname or alias.name for node in ast.walk(tree) if isinstance(node, ast.Import)
                      for alias in node.names} - names.keys()  # fmt: skip
    for name in names.values():
        if any(map(is_private, name.split("."))):
            yield name
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module="unittest.mock") | ast.Import(names=[ast.alias(name="unittest.mock")]):
                yield "unittest.mock"
            case ast.Attribute(attr=name, ctx=ast.Store()) if full_name(node, names):
                yield f"{full_name(node, names)} = …"
            case ast.Call(func=ast.Name(id="setattr"), args=[thing, *_]) if full_name(thing, names):
                yield f"{full_name(thing, names)} = …"
            case ast.Attribute(attr=name) if is_private(name) and full_name(node, names):
                yield full_name(node, names)
            case ast.Attribute(value=ast.Name(id=base)) if base in own_and_python:
                continue
            case ast.Attribute(attr=name) if is_private(name) and name not in OWN:
                yield f".{name}"


@pytest.mark.parametrize("file", TREES)
def test_only_listed_names_of_other_packages_are_private_or_replaced(file):
    assert set(find_violations(TREES[file])) == ALLOWED.get(file, set())


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import gradio as gr\ngr.Blocks.launch = None", {"gradio.Blocks.launch = …"}),
        ("from gradio import routes\nroutes.App.create_app = None", {"gradio.routes.App.create_app = …"}),
        ("from gradio import routes\nsetattr(routes.App, 'create_app', None)", {"gradio.routes.App = …"}),
        ("from ray._private import node", {"ray._private.node"}),
        ("from unittest.mock import patch", {"unittest.mock"}),
        ("import jax\njax._src.config", {"jax._src"}),
        ("def see(demo): return demo._queue_of_gradio", {"._queue_of_gradio"}),
        ("import gradio as gr\nfrom fer import labels\nlabels.X = gr.Blocks()._id", {"._id"}),
    ],
)
def test_violations_are_found(code, found):
    assert set(find_violations(ast.parse(code))) == found
