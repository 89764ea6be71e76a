"""Facial expression recognition: find every face in a photo and estimate the probabilities of its expression.

    from fer import Recognizer

    recognizer = Recognizer.load()
    for face in recognizer.recognize("photo.jpg"):
        print(face.box, face.label, face.probabilities)

`load` also takes a model folder, or `OWNER/NAME@REVISION` of a model on the Hugging Face Hub. Each name in `__all__` is
imported from its module when it is first used, so `import fer` alone loads no other module.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fer.errors import ImageError, UserError
    from fer.evaluation.evaluate import evaluate_model
    from fer.hub.errors import HubError
    from fer.images.loading import Photo, load_image
    from fer.labels import EMOTIONS
    from fer.models.config import ModelConfig, ModelFolderError
    from fer.models.model_folder import load_model
    from fer.publishing.push import Push, push_model
    from fer.recognition.recognizer import Face, FaceList, Recognizer

__version__ = "0.2.0"
__all__ = [
    "EMOTIONS",
    "Face",
    "FaceList",
    "HubError",
    "ImageError",
    "ModelConfig",
    "ModelFolderError",
    "Photo",
    "Push",
    "Recognizer",
    "UserError",
    "evaluate_model",
    "load_image",
    "load_model",
    "push_model",
]
_MODULES = {
    "errors": ["ImageError", "UserError"],
    "evaluation.evaluate": ["evaluate_model"],
    "hub.errors": ["HubError"],
    "images.loading": ["Photo", "load_image"],
    "labels": ["EMOTIONS"],
    "models.config": ["ModelConfig", "ModelFolderError"],
    "models.model_folder": ["load_model"],
    "publishing.push": ["Push", "push_model"],
    "recognition.recognizer": ["Face", "FaceList", "Recognizer"],
}
"""Names of the public API, by the module that defines them."""
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}
"""Module of each name of the public API."""


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
