"""Texts on the data that a model was trained on: FER2013, or a data set of its author."""

from typing import TYPE_CHECKING

from fer.app.texts import say

if TYPE_CHECKING:
    from fer.models.config import ModelConfig


def say_training_data(language: str, key: str, config: "ModelConfig | None") -> str:
    """Return the Markdown of a text on a model's training data.

    Args:
        language: language code, as `fer.app.texts.say` takes it.
        key: beginning of the text's key. The text is KEY_fer2013, or KEY_own for a model whose `config.json` names a
            data set of its author.
        config: configuration of the model; None if it is not known.

    Returns:
        The text; "" without a configuration.
    """
    if config is None:
        return ""
    own = config.training.get("data")
    if not own:
        return say(language, f"{key}_fer2013")
    name = str(own.get("name") or "") if isinstance(own, dict) else ""
    # Between backticks, where Markdown shows everything else of one line as it is.
    return say(language, f"{key}_own", name=" ".join(name.replace("`", "'").split()) or "?")
