"""Proxies that the environment names, through which the Hub is asked: whether they can be used."""

import importlib.util
from urllib.request import getproxies

import httpx2 as httpx

from fer.errors import UserError

FAULTS = (ImportError, ValueError, httpx.InvalidURL)
"""Exceptions with which httpx makes no client: socksio is missing, or a proxy has an unknown scheme or no address."""


def find_proxy_fault() -> str:
    """Return a sentence on the first proxy that cannot be used; "" if there is none. It has no part of the address."""
    proxies = getproxies()
    for scheme in ("http", "https", "all"):
        address, name = proxies.get(scheme), f"`{scheme.upper()}_PROXY`"
        if not address:
            continue
        try:
            proxy = httpx.Proxy(address if "://" in address else f"http://{address}")
        except FAULTS:
            rule = f"{name} must be the address of a proxy, such as http://localhost:3128 or socks5://localhost:1080"
            return f"{rule}. Received: another one, which is not shown, as it may hold a password"
        if proxy.url.scheme.startswith("socks") and not importlib.util.find_spec("socksio"):
            return f"{name} is a SOCKS proxy, which needs socksio, not installed here: pip install socksio"
    return ""


def check_proxies() -> None:
    """Raise an error if a proxy that the environment names cannot be used, with which no client can be made.

    Raises:
        UserError: with the sentence of `find_proxy_fault`.
    """
    if fault := find_proxy_fault():
        raise UserError(fault)
