"""JavaScript for keys that Gradio's components do not handle."""

from fer.app.javascript import read_script

ARROW_KEYS = read_script("components/arrow_keys.js")
"""JavaScript that lets the arrow keys choose a radio button."""
PASTE = read_script("components/paste.js")
"""JavaScript that uploads a pasted picture."""
PASTED = read_script("components/pasted.js")
"""JavaScript that passes the uploaded picture to a `gr.Image`."""
