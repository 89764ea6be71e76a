"""Keys that Gradio's components do not answer, in JavaScript."""

from fer.app.javascript import read_script

ARROW_KEYS = read_script("components/arrow_keys.js")
PASTE = read_script("components/paste.js")
PASTED = read_script("components/pasted.js")
