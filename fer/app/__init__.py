"""The Gradio app: it finds every face in a photo and shows the probabilities of its expressions.

The app listens on http://127.0.0.1:7860; GRADIO_SERVER_NAME and GRADIO_SERVER_PORT change the address. FER_MODEL names
the model: a model folder, or OWNER/NAME or OWNER/NAME@REVISION of the Hugging Face Hub; the default is the bundled
model. If the model cannot be loaded, the app serves the bundled one and says so on the page; with FER_STRICT=1 it exits
instead. `fer app --model` names the model too, and ends if it cannot be loaded.
"""

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
# After each event Gradio would summarise all events for its monitoring page, which is disabled here.
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000000000")
