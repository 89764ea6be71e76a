"""The API's functions as tools of the Model Context Protocol: Gradio's server of them, mended."""

import gradio as gr
from anyio import CapacityLimiter
from gradio.mcp import GradioMCPServer
from gradio_client.utils import is_file_obj_with_meta, is_http_url_like, traverse
from mcp.types import CallToolRequest, CallToolResult, ServerResult, TextContent

from fer.app.server.limits import MAX_CALLS
from fer.app.server.payloads import arguments_of, check_names, check_value, describe, is_file
from fer.documents import to_json

FILE = "A file must be given as an http(s) URL or as a data: URI in base64."


class Tools(GradioMCPServer):
    """What Gradio's own cannot: take a list of files, answer JSON instead of Python's `repr`, have what comes as a
    data: URI swept from the disk, and leave threads to the page however many call."""

    def create_mcp_server(self):
        server = super().create_mcp_server()
        call, limiter = server.request_handlers[CallToolRequest], CapacityLimiter(MAX_CALLS)

        async def call_in_turn(request):
            name, arguments = request.params.name, request.params.arguments or {}
            try:
                request.params.arguments = self._check_arguments(name, arguments)
            except gr.Error as error:
                content = [TextContent(type="text", text=error.message)]
                return ServerResult(CallToolResult(content=content, isError=True))
            async with limiter:
                return await call(request)

        server.request_handlers[CallToolRequest] = call_in_turn
        return server

    def simplify_filedata_schema(self, schema):
        simple, positions = super().simplify_filedata_schema(schema)
        # The files have become strings; what is left of their definitions is referred to by a wrong path.
        return _without(simple, {"$defs", "$ref"}), positions

    def convert_strings_to_filedata(self, value, filedata_positions):
        inside = [[*path, index] for *path, last in filedata_positions if last == "items"
                  for index in range(len(value.get(path[0], ())))]  # fmt: skip
        try:
            files = super().convert_strings_to_filedata(value, [*filedata_positions, *inside])
        except (ValueError, IndexError):
            raise ValueError(FILE) from None
        return traverse(files, self._have_swept, is_file_obj_with_meta)

    def postprocess_output_data(self, data, root_url):
        return super().postprocess_output_data([to_json(output, ensure_ascii=False) for output in data], root_url)

    def _check_arguments(self, name, arguments):
        """The arguments of a call as its tool's schema takes them; `gr.Error` of one sentence where they are wrong."""
        fn = self.get_block_fn_from_endpoint_name(self.tool_to_endpoint.get(name, ""))
        if fn is None:
            raise gr.Error(f"There is no tool of that name. Received: {describe(name)}")
        check_names(fn, arguments)
        components = arguments_of(fn)
        return {key: _check_argument(key, components[key], value) for key, value in arguments.items()}

    def _have_swept(self, file):
        if not is_http_url_like(file["path"]):
            self.blocks.upload_file_set.add(file["path"])
        return file


def _check_argument(name, component, value):
    if not is_file(component):
        return check_value(name, component, value)
    many = isinstance(component, gr.File)
    files = value if many and isinstance(value, list) else [value]
    if not all(isinstance(file, str) and file.startswith(("data:", "http://", "https://")) for file in files):
        raise gr.Error(f"`{name}`: {FILE}")
    return files if many else value


def _without(node, keys):
    """JSON without what stands under these keys, at any depth."""
    if isinstance(node, dict):
        return {key: _without(value, keys) for key, value in node.items() if key not in keys}
    return [_without(value, keys) for value in node] if isinstance(node, list) else node
