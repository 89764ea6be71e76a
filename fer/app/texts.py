"""Texts of the pages in the languages of `languages/*.json`: the page uses the browser's language, or else English.

Fixed texts go through Gradio's `I18n`, which translates them in the browser. It translates a string only as a whole, so
an answer that combines several texts, or contains numbers, is translated on the server by `say`, in the language that
the page sends (`language_of_the_page`).
"""

import json
from pathlib import Path

import gradio as gr

TEXTS = {
    path.stem: json.loads(path.read_text("utf-8")) for path in sorted(Path(__file__).parent.glob("languages/*.json"))
}
"""Texts by language code and key; English has every key."""
I18N = gr.I18n(**TEXTS)
"""Translations for `launch`; `I18N(key)` is a text that the browser translates."""


def say(language: str, key: str, **values: object) -> str:
    """Return a translated text with its values filled in, such as `say("de", "face.left_out", count=3)`.

    Args:
        language: language code, such as `de`; for an unknown one the text is English.
        key: key of `languages/en.json`.
        **values: values of the text's `{placeholders}`.
    """
    return TEXTS.get(language, {}).get(key, TEXTS["en"][key]).format(**values)


def say_class(language: str, label: str) -> str:
    """Return the name of a class in a language; a class without a translation keeps its own name.

    Args:
        language: language code, as in `say`.
        label: one of the model's labels.
    """
    key = f"emotion.{label}"
    return say(language, key) if key in TEXTS["en"] else label


def language_of_the_page() -> gr.Textbox:
    """Add a hidden component whose value is the code of the page's language; call this within `gr.Blocks`.

    Its `change` event fires when the page loads and whenever the person chooses another language.
    """
    shown, language = gr.Textbox(I18N("language"), visible="hidden"), gr.Textbox(visible="hidden")
    gr.on(fn=None, inputs=shown, outputs=language, js="(language) => language", api_visibility="private")
    return language
