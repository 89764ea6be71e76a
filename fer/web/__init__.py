"""The recognizer in a browser: a JavaScript module, the runtime that it needs, and a folder that serves both."""
