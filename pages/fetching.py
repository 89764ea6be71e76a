"""Photos that an API client names by their address: fetched from public servers only, and no more than may be sent."""

import asyncio

import gradio as gr
import httpx
import safehttpx

from pages.limits import FETCH_SECONDS, MAX_FILE_SIZE


class PublicTransport(httpx.AsyncBaseTransport):
    """What `gradio.processing_utils.async_transport` may be: Gradio's own refuses private addresses too, but takes
    files of any size, slow as they come, and says nothing that a client could understand."""

    async def handle_async_request(self, request):
        url = request.url
        request.headers["Accept-Encoding"] = "identity"
        try:
            address = await safehttpx.async_validate_url(url.host)
        except ValueError:
            raise _refusal(f"{url}: not the address of a public server.") from None
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                response = await safehttpx.AsyncSecureTransport(address).handle_async_request(request)
                content = await _read(response, url)
        except TimeoutError:
            raise _refusal(f"{url}: not there after {FETCH_SECONDS} seconds.") from None
        except httpx.HTTPError:
            raise _refusal(f"{url}: the server cannot be reached.") from None
        request.url = url  # Not the address that it was pinned to: the next one may be relative to it.
        if response.has_redirect_location:
            return httpx.Response(response.status_code, headers={"location": response.headers["location"]})
        if response.status_code != 200:
            raise _refusal(f"{url}: the server answers {response.status_code}.")
        return httpx.Response(200, content=content)  # Without headers, which could have it unpacked.


async def _read(response, url):
    content = bytearray()
    try:
        async for chunk in response.aiter_raw():
            content += chunk
            if len(content) > MAX_FILE_SIZE:
                raise _refusal(f"{url}: files may have at most {MAX_FILE_SIZE // 1024**2} MB.")
    finally:
        await response.aclose()
    return bytes(content)


def _refusal(text):
    return gr.Error(text, print_exception=False)
