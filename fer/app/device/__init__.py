"""Photos and the camera read in the visitor's browser: what the app's pages need beside the module of `fer.web`."""
