"""Parts of Gradio 6 that this app replaces because Gradio has no argument for them.

Each replacement is needed for security or for a correct answer, none for speed. Each has a test that fails when Gradio
changes:

- `processing_utils.async_transport`: without `PublicTransport`, Gradio fetches an address that a client sends whatever
  the size of the file, and also from some addresses that are not public
  (tests/app/test_app.py, `test_addresses_that_are_not_public_are_not_fetched`).
- `route_utils.GradioMultiPartParser`: without `FilesOnlyParser`, the text fields of an upload are kept in memory,
  whatever their size (tests/app/test_payloads.py, `test_an_upload_may_be_larger_but_has_files_only`).
- `mcp.GradioMCPServer`: without `ToolServer`, a tool sends any file of this machine that a client names to the app,
  accepts no list of pictures, and answers with Python's `repr` (tests/app/test_mcp.py, tests/app/test_payloads.py).

tests/test_private_names.py keeps this list complete.
"""

from gradio import mcp, processing_utils, route_utils

from fer.app.server.fetching import PublicTransport
from fer.app.server.intake import FilesOnlyParser
from fer.app.server.mcp import ToolServer


def replace_gradio_parts() -> None:
    """Replace the listed parts of Gradio for all apps of this process; call this before `launch`."""
    processing_utils.async_transport = PublicTransport()
    route_utils.GradioMultiPartParser = FilesOnlyParser
    mcp.GradioMCPServer = ToolServer
