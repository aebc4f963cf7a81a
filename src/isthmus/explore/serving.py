"""The explorer's web server: an address, a token where others can reach it, and an orderly end."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import webbrowser
from collections.abc import Callable
from typing import Any

from isthmus.core.errors import InvalidParameterError
from isthmus.explore.guard import Access, is_loopback

_ENDING = 1  # seconds that open requests have when the server ends


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address; port 0 is a free one.

    Raises
    ------
    InvalidParameterError
        With one line, where the port is in use or the address is not one of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise InvalidParameterError(f"--host {host} is not an address: {error}; use 127.0.0.1") from error
    found = socket.socket(family, kind, protocol)
    if os.name == "posix":
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind(address)
        found.listen(128)
    except OSError as error:
        found.close()
        raise InvalidParameterError(
            f"cannot listen at {host} port {port}: {error.strerror}; use another --port, or 0 for a free one"
        ) from error
    return found


def access_of(host: str, port: int) -> Access:
    """Return which requests are answered at an address: those without a token only if no other machine can reach it."""
    cookie = f"isthmus_{port}"  # cookies of one host are shared by all its ports
    if is_loopback(host):
        names = ("localhost", "127.0.0.1", "::1", host.lower())
        return Access(hosts=names, cookie=cookie)
    own = (host.lower(), "localhost", "127.0.0.1", "::1", socket.gethostname().lower(), socket.getfqdn().lower())
    return Access(hosts=own, token=secrets.token_urlsafe(24), cookie=cookie)


def address_of(host: str, port: int, access: Access) -> str:
    """Return the address that opens the page."""
    shown = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)
    shown = f"[{shown}]" if ":" in shown else shown
    return f"http://{shown}:{port}/" + (f"?token={access.token}" if access.token else "")


def serve(app: Any, listener: socket.socket, *, started: Callable[[], None] | None = None) -> None:
    """Answer requests until Ctrl-C.

    Parameters
    ----------
    app : ASGI application
        What `isthmus.explore.explorer` returns.
    listener : socket
        What `listening` returns.
    started : callable, optional
        Called once the server answers, and Ctrl-C ends it; it has to be quick.
    """
    import uvicorn

    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_ENDING,
        limit_concurrency=256,
    )

    class Server(uvicorn.Server):  # type: ignore[misc]
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets=sockets)
            if started is not None:
                started()

    try:
        Server(config).run(sockets=[listener])
    except KeyboardInterrupt:  # uvicorn has ended the server, and passes the signal on
        pass
    finally:
        listener.close()


def open_browser(address: str) -> None:
    """Open the page in the user's browser, where there is a screen."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return
    webbrowser.open(address)
