"""Transport with which Gradio fetches the files that an API client names by address."""

import asyncio

import httpx

from fer.app.server.limits import MAX_FETCHES, MAX_FILE_SIZE
from fer.app.server.values import refusal
from fer.errors import UserError
from fer.images.fetching import fetch


class PublicTransport(httpx.AsyncBaseTransport):
    """Transport that fetches a file with `fer.images.fetching.fetch` and returns it as one response.

    It replaces `gradio.processing_utils.async_transport`, the only place where Gradio takes a transport for addresses
    that clients send; `launch` has no argument for it. Without it Gradio fetches files of any size, asks a resolver on
    the internet about names that resolve to private addresses here, and accepts some addresses that are not public.
    """

    def __init__(self):
        self._turn = asyncio.Semaphore(MAX_FETCHES)

    async def handle_async_request(self, request):
        """Return the file at the request's address as a response with status 200 and no headers.

        Raises:
            gradio.Error: if the file cannot be fetched, with the sentence of `fer.images.fetching.fetch`.
        """
        url = str(request.url.copy_with(fragment=None))  # Without that of `fer.app.server.values`.
        try:
            return httpx.Response(200, content=await fetch(url, MAX_FILE_SIZE, turn=self._turn))
        except UserError as error:
            raise refusal(str(error)) from None
