"""The layer between Gradio and the pages: limits, checks of requests, caches, start-up and shutdown."""
