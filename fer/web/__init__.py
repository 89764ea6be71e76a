"""The recognizer in a browser: an ES module, the runtime that it needs, and the static folder that serves both."""
