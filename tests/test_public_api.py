"""Names of `from fer import …`, and the modules that they load."""

import inspect
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from conftest import ROOT

import fer

if TYPE_CHECKING:
    from typing import assert_type

    # Only mypy reads this (`make quality`): the lazy names have the types of the objects that they load.
    assert_type(fer.Recognizer.load("bundled").recognize(b""), fer.FaceList)
    assert_type(fer.Recognizer.load().recognize_batch(["a.jpg"])[0][0].probabilities, dict[str, float])
    assert_type(fer.EMOTIONS, tuple[str, ...])

LOADED = "import sys; from fer import Recognizer; {}; print(*{{name.split('.')[0] for name in sys.modules}})"


def loaded(line):
    """Return the top-level modules that are loaded after a line of Python in a new interpreter."""
    command = [sys.executable, "-c", LOADED.format(line)]
    return set(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split())


def test_each_public_name_can_be_imported():
    names = {name: getattr(fer, name) for name in fer.__all__}
    assert names["Recognizer"].__module__ == "fer.recognition.recognizer"
    assert set(fer.__all__) <= set(dir(fer))
    with pytest.raises(AttributeError, match="module 'fer' has no attribute 'nothing'"):
        fer.nothing  # noqa: B018


def test_a_photo_is_recognized_without_keras_and_huggingface_hub():
    libraries = loaded("Recognizer.load().recognize('examples/astronaut.jpg')")
    assert "ai_edge_litert" in libraries
    assert not libraries & {"keras", "tensorflow", "gradio", "huggingface_hub", "sklearn", "scipy", "matplotlib", "av"}


def test_import_fer_loads_no_submodule():
    run = [sys.executable, "-c", "import fer, sys; dir(fer); print(*sys.modules)"]
    modules = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in modules if name.startswith("fer.")] == []
    assert not {"numpy", "PIL"} & set(modules)


def functions(value):
    """Return the public functions of an object of the API: itself if it is a function, the methods of a class."""
    if inspect.isfunction(value):
        return [value]
    members = vars(value).items() if inspect.isclass(value) and value.__module__.startswith("fer.") else ()
    plain = [getattr(member, "fget", getattr(member, "__func__", member)) for name, member in members if name[0] != "_"]
    return list(filter(inspect.isfunction, plain))


@pytest.mark.parametrize("name", fer.__all__)
def test_public_functions_have_type_annotations(name):
    for function in functions(getattr(fer, name)):
        signature = inspect.signature(function)
        assert signature.return_annotation is not signature.empty
        arguments = [parameter for key, parameter in signature.parameters.items() if key not in ("self", "cls")]
        assert [parameter.name for parameter in arguments if parameter.annotation is parameter.empty] == []
