"""JavaScript for what Gradio's components do not handle: keys, pasted pictures, and files of unusual types."""

import json

from fer.app.javascript import read_script
from fer.images.formats import CLIP_SUFFIXES, SUFFIXES

ARROW_KEYS = read_script("components/arrow_keys.js")
"""JavaScript that lets the arrow keys choose a radio button."""
PASTE = read_script("components/paste.js")
"""JavaScript that uploads a pasted picture."""
PASTED = read_script("components/pasted.js")
"""JavaScript that passes the uploaded picture to a `gr.Image`."""
FILE_TYPES = read_script("components/file_types.js").replace(
    "SUFFIXES", json.dumps({"image": ", ".join(SUFFIXES), "video": ", ".join(CLIP_SUFFIXES)})
)
"""JavaScript that lets people choose photos and clips whose media type their browser does not know."""
ANNOUNCE = read_script("components/announce.js")
"""JavaScript that lets screen readers announce the messages of the pages."""
HEAD = f"<script>({ARROW_KEYS})(); ({FILE_TYPES})(); ({ANNOUNCE})();</script>"
"""Element for the page's head. Gradio adds it before the components, so that no early click or file is missed."""
