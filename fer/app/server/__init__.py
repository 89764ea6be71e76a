"""The layer between Gradio and the pages: limits, checks of requests, caches, start-up and shutdown.

A request passes `guard` (host and origin), `intake` (size, closed paths), `calls` (function and session), `payloads`
(number of values, files and addresses) and `values` (each value).
"""
