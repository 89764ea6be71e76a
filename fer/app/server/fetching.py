"""Photos that an API client names by their address, fetched as `fer.images.fetching` does for everybody."""

import asyncio

import gradio as gr
import httpx

from fer.app.server.limits import MAX_FETCHES, MAX_FILE_SIZE
from fer.errors import UserError
from fer.images.fetching import fetch


class PublicTransport(httpx.AsyncBaseTransport):
    """Fetches a file from a public server, whatever redirects lead there, as one answer.

    For `gradio.processing_utils.async_transport`, the only place where Gradio takes a transport for the addresses that
    clients send; no argument of `launch` sets it. Without one Gradio fetches files of any size, asks a resolver on the
    internet about names that resolve to private addresses here, and accepts some addresses that are not public.

    Args:
        resolve: as `fer.images.fetching.fetch` takes it.
    """

    def __init__(self, resolve=None):
        self._resolve = resolve
        self._turn = asyncio.Semaphore(MAX_FETCHES)

    async def handle_async_request(self, request):
        """Return the file at the request's address, as a response of status 200 without headers.

        Raises:
            gradio.Error: with the sentence of `fer.images.fetching.fetch`.
        """
        try:
            return httpx.Response(200, content=await fetch(str(request.url), MAX_FILE_SIZE, self._resolve, self._turn))
        except UserError as error:
            raise gr.Error(str(error), print_exception=False) from None
