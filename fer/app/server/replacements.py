"""Parts of Gradio 6 that this app replaces, because no argument of Gradio sets them.

Each is needed for safety or for an answer, none for speed; each has a test that fails when Gradio changes.

- `processing_utils.async_transport`: without `PublicTransport`, an address that a client sends is fetched whatever the
  size of the file, and also from some addresses that are not public
  (tests/app/test_app.py, `test_addresses_that_are_not_public_are_not_fetched`).
- `route_utils.GradioMultiPartParser`: without `FilesOnly`, the text fields of an upload fill the memory, whatever their
  size (tests/app/test_payloads.py, `test_an_upload_may_be_larger_but_has_files_only`).
- `mcp.GradioMCPServer`: without `ToolServer`, a tool sends any file of this machine that a client names to the app,
  takes no list of pictures, and answers Python's `repr` (tests/app/test_mcp.py, tests/app/test_payloads.py).

tests/test_private_names.py keeps the list complete.
"""

from gradio import mcp, processing_utils, route_utils

from fer.app.server.fetching import PublicTransport
from fer.app.server.intake import FilesOnly
from fer.app.server.mcp import ToolServer


def replace_gradio_parts():
    """Replace the parts of the list above, for all apps of the process; call before `launch`."""
    processing_utils.async_transport = PublicTransport()
    route_utils.GradioMultiPartParser = FilesOnly
    mcp.GradioMCPServer = ToolServer
