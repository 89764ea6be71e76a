"""The app in Gradio: a photo in, every face boxed with the probabilities of its expression.

It serves the model that FER_MODEL names on http://127.0.0.1:7860: a model folder, OWNER/NAME or OWNER/NAME@REVISION of
the Hugging Face Hub, by default the bundled one. If that model cannot be loaded the bundled one serves and the page
says so; with FER_STRICT=1 the app ends instead. GRADIO_SERVER_NAME and GRADIO_SERVER_PORT change the address.
"""

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
# Gradio would sum up all events after each, for a monitoring page that is off here.
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000000000")
