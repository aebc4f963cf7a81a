"""Checks of each request before the explorer reads it, and the headers of every answer."""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_METHODS = ("GET", "HEAD", "POST")
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?")


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Access:
    """Which requests are answered.

    Parameters
    ----------
    hosts : tuple of str
        The names under which the page is asked for: a request whose Host header has another one comes from a page of
        another origin whose name was rebound to this address. With a token, addresses are accepted too.
    token : str or None
        The token that a request must have: in the query of the first request, later in a cookie.
    most_bytes : int
        The largest body of a request.
    cookie : str
        The name of the cookie.
    """

    hosts: tuple[str, ...] = _LOOPBACK_NAMES
    token: str | None = None
    most_bytes: int = 1 << 20
    cookie: str = "isthmus"

    def knows(self, host: str) -> bool:
        """Whether a Host header has a known name."""
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = found[1].strip("[]").lower()
        if name in self.hosts:
            return True
        if self.token is None:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def is_token(self, given: str) -> bool:
        """Whether a text is the token, in a time that does not depend on where they differ."""
        return self.token is not None and hmac.compare_digest(given.encode(), self.token.encode())


class TooLargeError(ValueError):
    """A body has more bytes than it may have; the application answers with 413."""


class Guard:
    """Refuses requests that do not come from the explorer's own page, and adds `HEADERS` to all answers.

    Parameters
    ----------
    app : ASGI application
        The application.
    access : Access
        Who may ask.
    """

    def __init__(self, app: Any, access: Access) -> None:
        self.app = app
        self.access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no web sockets
            await send({"type": "websocket.close", "code": 1008})
            return

        async def with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                more = [(name.encode(), text.encode()) for name, text in HEADERS.items() if name.encode() not in own]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        refused = self._refusal(scope)
        if refused is not None:
            await _answer(with_headers, *refused)
            return
        if self.access.token is not None and (given := _query_token(scope)) is not None:
            await self._sign_in(with_headers, given)
            return
        await self.app(scope, self._bounded(receive), with_headers)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        hosts = headers.get("host", [])
        if len(hosts) != 1 or not self.access.knows(hosts[0]):
            return 421, "the Host header is not that of this explorer; open the address that it printed"
        if scope["method"] not in _METHODS:
            return 405, "the method must be GET, HEAD or POST"
        sites = {*headers.get("sec-fetch-site", [])} - {"same-origin", "none"}
        if sites and not (scope["method"] == "GET" and scope["path"] == "/"):
            return 403, "requests from other pages are refused"
        origins = headers.get("origin", [])
        if any(origin != f"{scope.get('scheme', 'http')}://{hosts[0]}" for origin in origins):
            return 403, "requests from other origins are refused"
        length = (headers.get("content-length") or ["0"])[0]
        if not length.isdigit() or len(length) > 15 or int(length) > self.access.most_bytes:
            return 413, f"a request may have at most {self.access.most_bytes} bytes"
        if self.access.token is not None and not self._is_known(headers) and _query_token(scope) is None:
            return 401, "this explorer needs its token; open the whole address that it printed"
        return None

    def _is_known(self, headers: dict[str, list[str]]) -> bool:
        for text in headers.get("cookie", []):
            for part in text.split(";"):
                name, _, value = part.strip().partition("=")
                if name == self.access.cookie and self.access.is_token(value):
                    return True
        return False

    async def _sign_in(self, send: Send, given: str) -> None:
        """Put the token in a cookie, and lead to the address without it."""
        if not self.access.is_token(given):
            await _answer(send, 401, "the token is not that of this explorer; open the whole address that it printed")
            return
        cookie = f"{self.access.cookie}={self.access.token}; HttpOnly; SameSite=Strict; Path=/"
        await _answer(send, 303, "", [(b"location", b"/"), (b"set-cookie", cookie.encode())])

    def _bounded(self, receive: Receive) -> Receive:
        done = 0

        async def bounded() -> MutableMapping[str, Any]:
            nonlocal done
            message = await receive()
            done += len(message.get("body", b""))
            if done > self.access.most_bytes:
                raise TooLargeError(f"a request may have at most {self.access.most_bytes} bytes")
            return message

        return bounded


def _query_token(scope: Scope) -> str | None:
    if scope["method"] != "GET" or scope["path"] != "/":
        return None
    found = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token")
    return None if found is None else found[-1]


async def _answer(send: Send, status: int, text: str, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    body = text.encode() + b"\n" if text else b""
    kind = (b"content-type", b"text/plain; charset=utf-8")
    size = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [kind, size, *(headers or [])]})
    await send({"type": "http.response.body", "body": body})
