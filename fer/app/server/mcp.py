"""API functions as tools of the Model Context Protocol (MCP)."""

import gradio as gr
from anyio import CapacityLimiter
from gradio.mcp import GradioMCPServer
from mcp.types import CallToolRequest, CallToolResult, ServerResult, TextContent

from fer.app.server.limits import MAX_CALLS
from fer.app.server.payloads import arguments_of, check_names
from fer.app.server.values import check_value, describe, is_file
from fer.documents import to_json

FILE_RULE = "A file must be given as an http(s) URL or as a data: URI in base64."
"""Error message for an argument that must be a file and is not."""


class ToolServer(GradioMCPServer):
    """MCP server that accepts lists of files, checks arguments as the API does, and answers with JSON.

    Gradio's own server accepts single files only, sends any file of this machine that a client names, and answers with
    Python's `repr`. `gr.mcp.tool` changes none of this, so `fer.app.server.replacements` replaces that server.
    """

    def create_mcp_server(self):
        """Create Gradio's server, with a check before each call and at most `MAX_CALLS` calls at once."""
        server = super().create_mcp_server()
        call, limiter = server.request_handlers[CallToolRequest], CapacityLimiter(MAX_CALLS)

        async def call_checked(request):
            name, arguments = request.params.name, request.params.arguments or {}
            try:
                request.params.arguments = self._check_arguments(name, arguments)
            except gr.Error as error:
                content = [TextContent(type="text", text=error.message)]
                return ServerResult(CallToolResult(content=content, isError=True))
            async with limiter:
                return await call(request)

        server.request_handlers[CallToolRequest] = call_checked
        return server

    def simplify_filedata_schema(self, schema):
        """Return the schema with files as strings, and the positions of the files."""
        simple, positions = super().simplify_filedata_schema(schema)
        # Files are strings now; the remaining references to their definitions have a wrong path.
        return _without(simple, {"$defs", "$ref"}), positions

    def convert_strings_to_filedata(self, value, filedata_positions):
        """Convert the strings of files, including those in lists, to Gradio's file objects."""
        inside = [[*path, index] for *path, last in filedata_positions if last == "items"
                  for index in range(len(value.get(path[0], ())))]  # fmt: skip
        try:
            return super().convert_strings_to_filedata(value, [*filedata_positions, *inside])
        except (ValueError, IndexError):
            raise ValueError(FILE_RULE) from None

    def postprocess_output_data(self, data, root_url):
        """Convert the answers of a tool to JSON text."""
        return super().postprocess_output_data([to_json(output, ensure_ascii=False) for output in data], root_url)

    def _check_arguments(self, name, arguments):
        """Return the arguments of a call as its tool's schema needs them; raise `gr.Error` if one is wrong."""
        fn = self.get_block_fn_from_endpoint_name(self.tool_to_endpoint.get(name, ""))
        if fn is None:
            raise gr.Error(f"There is no tool of that name. Received: {describe(name)}")
        check_names(fn, arguments)
        components = arguments_of(fn)
        return {key: _check_argument(key, components[key], value) for key, value in arguments.items()}


def _check_argument(name, component, value):
    if not is_file(component):
        return check_value(name, component, value)
    is_list = isinstance(component, gr.File)
    files = value if is_list and isinstance(value, list) else [value]
    if not all(isinstance(file, str) and file.startswith(("data:", "http://", "https://")) for file in files):
        raise gr.Error(f"`{name}`: {FILE_RULE}")
    return files if is_list else value


def _without(node, keys):
    """Return a JSON value without these keys, at any depth."""
    if isinstance(node, dict):
        return {key: _without(value, keys) for key, value in node.items() if key not in keys}
    return [_without(value, keys) for value in node] if isinstance(node, list) else node
