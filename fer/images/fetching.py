"""Fetch pictures by their address, from public servers only and within limits of size and time."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpx2 as httpx

from fer.errors import UserError

FETCH_SECONDS = 20
"""Time limit for a file in seconds, redirects included. In the app, a slow file keeps others waiting."""
CONNECT_SECONDS = 5
"""Seconds until another address of a server is tried."""
FETCH_PORTS = (80, 443)
"""Ports that files are fetched from: those of the web only, so that nobody can probe other ports from this machine."""
FETCH_REDIRECTS = 5
"""Largest number of redirects that are followed."""
UNICAST = ip_network("2000::/3")
"""IPv6 addresses that IANA assigns for the public internet. `is_global` alone allows more."""
TRANSLATED = ip_network("64:ff9b::/96")
"""IPv6 addresses that NAT64 translates to the IPv4 address in their last 32 bits (RFC 6052)."""
NOT_PUBLIC = tuple(map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "3fff::/20")))
"""Networks that `is_global` of some Python versions reports as public although they are not: protocol assignments
(including Oracle's metadata server, 192.0.0.192), 6to4 relays, Azure's platform server, and documentation."""


def is_address(text: str) -> bool:
    """Return whether a text is a web address and not a path."""
    return text.lower().startswith(("http://", "https://"))


def fetch_file(url: str, most_bytes: int) -> bytes:
    """Fetch a file as `fetch` does, for programs without an event loop."""
    return asyncio.run(fetch(url, most_bytes))


async def fetch(
    url: str,
    most_bytes: int,
    resolve: Callable[[str, int], Awaitable[list[str]]] | None = None,
    turn: AbstractAsyncContextManager | None = None,
) -> bytes:
    """Fetch a file from a public server. Redirects are followed, to public servers only.

    Args:
        url: address of the file.
        most_bytes: largest size of the file in bytes.
        resolve: coroutine function of a host name and a port that returns the host's addresses as strings; by default
            `resolve_here`.
        turn: asynchronous context manager, such as a semaphore, that is entered first. Waiting for it counts towards
            `FETCH_SECONDS`.

    Raises:
        UserError: if the file cannot be fetched. The sentence is the same for every reason, so that it does not reveal
            which servers exist.
    """
    try:
        async with asyncio.timeout(FETCH_SECONDS), turn or asyncio.Semaphore():
            return await _follow(url, most_bytes, resolve or resolve_here)
    except (TimeoutError, OSError, ValueError, httpx.HTTPError, httpx.InvalidURL):
        raise UserError(
            f"{_shortened(url)}: could not be fetched. Addresses must be http or https, of public servers, "
            f"on port {' or '.join(map(str, FETCH_PORTS))}, and answer at most {most_bytes // 1024**2} MB "
            f"within {FETCH_SECONDS} seconds."
        ) from None


async def _follow(url, most_bytes, resolve):
    transport, timeout = _CheckedTransport(resolve), httpx.Timeout(FETCH_SECONDS, connect=CONNECT_SECONDS)
    async with httpx.AsyncClient(transport=transport, timeout=timeout) as client:
        # Compressed answers are not decompressed: they could become arbitrarily large.
        request = client.build_request("GET", url, headers={"Accept-Encoding": "identity"})
        for _ in range(FETCH_REDIRECTS + 1):
            async with aclosing(await client.send(request, stream=True)) as response:
                if response.next_request is None:
                    return await _read(response, most_bytes)
                request = response.next_request
    raise ValueError(f"More than {FETCH_REDIRECTS} redirects.")


async def _read(response, most_bytes):
    if response.status_code != 200:
        raise ValueError(f"The server answers {response.status_code}.")
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > most_bytes:
            raise ValueError("The file is too large.")
    return bytes(content)


class _CheckedTransport(httpx.AsyncHTTPTransport):
    """Transport that connects only to the addresses that it has checked, one after the other until one answers.

    A host name is resolved once for each request, and so for each redirect.
    """

    def __init__(self, resolve):
        # A connection that is kept open could be reused for another host at the same address.
        super().__init__(limits=httpx.Limits(max_keepalive_connections=0))
        self._resolve = resolve

    async def handle_async_request(self, request):
        url, host = request.url, request.url.raw_host.decode("ascii")
        port = url.port or {"http": 80, "https": 443}.get(url.scheme)
        if url.scheme not in ("http", "https") or port not in FETCH_PORTS:
            raise ValueError("The scheme or port is not of the web.")
        addresses = await self._resolve(host, port)
        if not addresses or not all(map(is_public, addresses)):
            raise ValueError("The server is not a public one.")
        extensions = {**request.extensions, "sni_hostname": host}
        for address in addresses:
            # The header Host keeps the host name, and the server's certificate must be valid for that name.
            pinned = httpx.Request(
                request.method, url.copy_with(host=address), headers=request.headers, extensions=extensions
            )
            try:
                return await super().handle_async_request(pinned)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failed = error
        raise failed


async def resolve_here(host: str, port: int) -> list[str]:
    """Return a host's addresses as strings, in the order to try, from this machine's resolver.

    Raises:
        OSError, ValueError: if the name has no address.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(address[0] for *_, address in found))


def is_public(address: str | IPv4Address | IPv6Address) -> bool:
    """Return whether an IP address, and each IPv4 address that is embedded in it, belongs to the public internet."""
    try:
        address = ip_address(address)
    except ValueError:
        return False
    inner = ()
    if address.version == 6:
        if address.ipv4_mapped:
            return is_public(address.ipv4_mapped)
        if address in TRANSLATED:
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        if address.scope_id or address not in UNICAST:
            return False
        inner = filter(None, (address.sixtofour, *(address.teredo or ())))
    kept_out = address.is_multicast or any(address in network for network in NOT_PUBLIC)
    return address.is_global and not kept_out and all(map(is_public, inner))


def _shortened(url):
    return url if len(url) <= 200 else f"{url[:200]}…"
