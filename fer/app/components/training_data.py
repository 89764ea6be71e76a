"""Texts on the data that a model was trained on: FER2013, or a data set of its author."""

from pathlib import Path

from fer.app.texts import say
from fer.errors import UserError


def say_training_data(language: str, key: str, folder: Path) -> str:
    """Return the Markdown of a text on a model's training data.

    Args:
        language: language code, as `fer.app.texts.say` takes it.
        key: beginning of the text's key. The text is KEY_fer2013, or KEY_own for a model whose `config.json` names a
            data set of its author.
        folder: model folder.

    Returns:
        The text; "" if the `config.json` cannot be read.
    """
    from fer.models.config import load_config

    try:
        own = load_config(folder).training.get("data")
    except UserError:
        return ""
    if not own:
        return say(language, f"{key}_fer2013")
    name = str(own.get("name") or "") if isinstance(own, dict) else ""
    # Between backticks, where Markdown shows everything else as it is.
    return say(language, f"{key}_own", name=name.replace("`", "'").strip() or "?")
