"""Facts about a data set, for the metrics, the training facts and the card of a model."""

from typing import TYPE_CHECKING, Any

import numpy as np

from fer.paths import StrPath, name_of

if TYPE_CHECKING:  # The app uses this module, and runs where the packages of training are not installed.
    from fer.data.faces import Faces
    from fer.models.config import ModelConfig


def describe_data(path: StrPath, **splits: "Faces") -> dict[str, Any] | None:
    """Return the facts of a data set that is not FER2013; None for FER2013.

    Args:
        path: path of the data set. Only its last part is recorded, because the facts are published.
        **splits: splits of the data set, by name.

    Returns:
        A dict of `name`; `held_out`, whether the validation split was cut from the training pictures; and the number of
        pictures of each class in each split, by the name of the split.
    """
    if any(faces.is_fer2013 for faces in splits.values()):
        return None
    counts = {split: _count_classes(faces) for split, faces in splits.items()}
    return {"name": name_of(path), "held_out": any(faces.held_out for faces in splits.values()), **counts}


def is_same_data(trained: dict[str, Any] | None, measured: dict[str, Any] | None, digest: str) -> bool:
    """Return whether a model was measured on the data set that it was trained on.

    Args:
        trained, measured: facts of `describe_data`; None for FER2013. Those of `trained` have `validation_sha256`,
            unless it was recorded by an earlier version or trained with `--limit`; then the names are compared.
        digest: sha256 of the measured pictures, `data_sha256` in `metrics.json`.
    """
    if not (trained and measured):
        return not (trained or measured)
    if "validation_sha256" in trained:
        return trained["validation_sha256"] == digest
    return trained["name"] == measured["name"]


def is_cut_again(config: "ModelConfig", validation: "Faces", digest: str) -> bool:
    """Return whether other pictures were held out for a model's validation than when it was trained.

    If they are of the same data set, which has changed since or is read in another layout, the model was trained on
    some of them.

    Args:
        config: configuration of the model.
        validation: the validation split.
        digest: sha256 of its pictures.
    """
    trained = config.training.get("data") or {}
    if not (validation.held_out and trained.get("held_out") and validation.classes == config.labels):
        return False
    return trained.get("validation_sha256", digest) != digest


def find_layout(layout: str | None, path: StrPath, training: dict[str, Any]) -> str | None:
    """Return the layout in which a model is measured on a data set: that of its training if none is given.

    In another layout, the held-out pictures may be some that the model was trained on.

    Args:
        layout: layout that the user gave, a key of `fer.data.layouts.CODES`; or None.
        path: path of the data set. It counts as that of the training if its last part is the same, but for `.zip`.
        training: facts about the model's training (`fer.models.config.ModelConfig.training`).
    """
    trained = training.get("data") or {}
    same = trained.get("name", "").removesuffix(".zip") == name_of(path).removesuffix(".zip")
    return layout or (trained.get("layout") if same else None)


def _count_classes(faces):
    numbers = np.bincount(faces.labels, minlength=len(faces.classes))
    return dict(zip(faces.classes, numbers.tolist(), strict=True))
