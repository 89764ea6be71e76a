"""What the pages say, in the languages of `languages/*.json`; the browser's own is shown, English where there is none.

Texts that stand still go through Gradio's `I18n` and follow the browser. Gradio translates one text a string, so an
answer that is put together from several, or has numbers in it, is made here instead, by `say`, in the language that the
page sends along (`Language`).
"""

import json
from pathlib import Path

import gradio as gr

TEXTS = {
    path.stem: json.loads(path.read_text("utf-8")) for path in sorted(Path(__file__).parent.glob("languages/*.json"))
}
"""By language code and key; the keys of English are all there are."""
I18N = gr.I18n(**TEXTS)
"""For `launch`; `I18N(key)` is a text that the browser translates."""


def say(language, key, **values):
    """A text with values in it, such as `say("de", "photo.faces", count=3)`.

    Args:
        language: code, such as `de`; what is not known there is said in English.
        key: of `languages/en.json`.
        **values: for the text's `{placeholders}`.
    """
    return TEXTS.get(language, {}).get(key, TEXTS["en"][key]).format(**values)


def say_class(language, label):
    """Return the name of a class in a language; a class without a translation keeps its own name.

    Args:
        language: as in `say`.
        label: one of the model's labels.
    """
    key = f"emotion.{label}"
    return say(language, key) if key in TEXTS["en"] else label


def language_of_the_page():
    """A hidden component that tells an event's function which language the browser shows; call within `gr.Blocks`.

    Its `change` comes at the page's start and whenever a person chooses another language.
    """
    shown, language = gr.Textbox(I18N("language"), visible="hidden"), gr.Textbox(visible="hidden")
    gr.on(fn=None, inputs=shown, outputs=language, js="(language) => language", api_visibility="private")
    return language
