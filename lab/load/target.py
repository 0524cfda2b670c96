"""Which servers the lab's clients accept as a target, and what they say of others."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import urllib.parse


class LoadError(Exception):
    """A load or a probe that could not be; the message is one line for the reader."""


def loopback(host: str) -> str:
    """The host as an IPv4 loopback address; LoadError for every other."""
    if host == "localhost":
        return "127.0.0.1"
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(host)
        if address.version == 4 and address.is_loopback:
            return host
    raise LoadError(
        f"{host} is refused: the lab loads this machine only, at an address "
        "that begins with 127."
    )


def parse_url(url: str, anywhere: bool = False) -> tuple[str, int, str]:
    """Host, port and path (with its query) of an http URL on this machine.

    anywhere: or on any other, for whoever says that the server is theirs.
    """
    if "//" not in url:
        url = f"http://{url}"
    try:
        parts = urllib.parse.urlsplit(url)
        port = 80 if parts.port is None else parts.port
    except ValueError as error:
        raise LoadError(f"{url} is not a URL: {error}") from None
    if parts.username is not None:
        raise LoadError(f"{url}: a name and a password in a URL are not sent")
    if parts.scheme != "http" or not parts.hostname or not port:
        raise LoadError(f"{url} is not a URL like http://127.0.0.1:8000/")
    path = parts.path or "/"
    if parts.query:
        path += f"?{parts.query}"
    if not is_path(path):
        raise LoadError(f"{url} has a character that must be %-encoded")
    host = parts.hostname if anywhere else loopback(parts.hostname)
    return host, port, path


def is_path(path: str) -> bool:
    """Whether a path (with its query) can stand in a request line."""
    return re.fullmatch(r"/[!-~]*", path) is not None


def nothing_listens(host: str, port: int) -> LoadError:
    """The error for a refused connection, with the way out."""
    return LoadError(
        f"nothing listens on http://{host}:{port}: "
        "start a step first, for example: python -m steps.step03"
    )
