"""What stands between Gradio and the pages: limits, checks, caches, start and end."""
