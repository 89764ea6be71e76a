"""Constraints on the browser's cameras, as `getUserMedia` takes them; a camera may deliver another size."""

from fer.detection.blazeface import LIVE_SIDE

LIVE_CAMERA = {"width": {"ideal": LIVE_SIDE}, "height": {"ideal": LIVE_SIDE * 3 // 4}, "facingMode": "user"}
"""Constraints for a stream: the camera that faces the user, and small frames, which are sent quickly."""
CLIP_CAMERA = {"width": {"ideal": 1280}, "height": {"ideal": 720}}
"""Constraints for a clip: the server would only scale larger frames down."""
PHOTO_CAMERA = {"width": {"ideal": 1920}, "height": {"ideal": 1080}}
"""Constraints for a photo."""
