"""Reading of photos and the camera in the visitor's browser: the parts of the app's pages that use `fer.web`."""
