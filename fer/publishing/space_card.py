"""README.md of a Space: front matter, from which the Hub builds and lists the Space, and a text about its model."""

from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import SpaceCardData, constants

from fer.hub.client import ModelSource
from fer.models.config import load_config
from fer.models.model_folder import CARD
from fer.publishing.lineage import OWN_LICENSE, find_license, list_data

TAG = "facial-expression-recognition"
"""Tag of every model and Space."""
FRONT_MATTER = {
    "title": "Facial expression recognition",
    "emoji": "🙂",
    "colorFrom": "blue",
    "colorTo": "yellow",
    "pinned": False,
}
"""Fields of every Space."""
DESCRIPTION = "Every face in a photo, with {} probabilities"
"""Short description of a Space, at most 60 characters, with the number of the model's classes."""
SERVERS = {
    "gradio": {"sdk": "gradio", "sdk_version": "6.31.0", "python_version": "3.12", "app_file": "app.py"},
    "static": {"sdk": "static", "app_file": "index.html"},
}
"""Fields that tell how the Hub serves a Space, by the kind of Space. The Gradio version is the tested one, which a test
compares with the installed one; the Hub's own default of Python is 3.10, too old for this package."""
BODY = """
# {title}

Every face in a photo, with the probabilities of its expression, read by
[{model}]({endpoint}/{model}/tree/{revision}): see its card for how well, and for what not to use it.

What is read is an expression, not a feeling. In the EU, inferring emotions at the workplace and in schools is
prohibited (AI Act, Article 5(1)(f)).
"""
"""Text below the front matter."""


def write_space_card(folder: Path, source: ModelSource, kind: str, preload: Sequence[str] = ()) -> None:
    """Write the README.md of a Space.

    A static Space holds the weights, so its licence is theirs, if they have one. The app has that of the project.

    Args:
        folder: folder of the Space's files.
        source: model of the Hub that the Space serves.
        kind: key of `SERVERS`.
        preload: names of files of the model that the Hub downloads while it builds the Space, so that a start needs no
            download.
    """
    config = load_config(source.folder)
    data = SpaceCardData(
        **FRONT_MATTER,
        **SERVERS[kind],
        short_description=DESCRIPTION.format(len(config.labels)),
        license=find_license(config.training) if kind == "static" else OWN_LICENSE,
        tags=[TAG, *([] if list_data(config.training) else ["fer2013"]), "keras"],
        models=[source.name],
    )
    if preload:
        data.preload_from_hub = [f"{source.name} {','.join(preload)} {source.revision}"]
    facts = {"title": FRONT_MATTER["title"], "model": source.name, "revision": source.revision}
    text = BODY.format(endpoint=constants.ENDPOINT, **facts)
    (folder / CARD).write_text(f"---\n{data.to_yaml()}\n---\n{text}", encoding="utf-8")
