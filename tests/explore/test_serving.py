import socket
import threading
import time
import urllib.request

import pytest

from isthmus.core.errors import InvalidParameterError
from isthmus.explore import serving


def test_a_free_port():
    with serving.listening("127.0.0.1", 0) as listener:
        assert listener.getsockname()[1] > 0


def test_a_port_in_use():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InvalidParameterError, match=f"port {port}: Address already in use; use another --port"):
            serving.listening("127.0.0.1", port)


def test_a_host_that_is_no_address():
    with pytest.raises(InvalidParameterError, match="--host no such host"):
        serving.listening("no such host", 0)


def test_loopback_needs_no_token_and_others_do():
    own = serving.access_of("127.0.0.1", 8000)
    assert own.token is None
    assert serving.address_of("127.0.0.1", 8000, own) == "http://127.0.0.1:8000/"
    assert serving.address_of("::1", 8000, own) == "http://[::1]:8000/"
    others = serving.access_of("0.0.0.0", 8000)
    assert len(others.token) >= 32
    assert others.token != serving.access_of("0.0.0.0", 8000).token
    assert serving.address_of("0.0.0.0", 8000, others).endswith(f":8000/?token={others.token}")


def test_no_browser_is_opened_without_a_screen(monkeypatch):
    opened = []
    monkeypatch.setattr(serving.webbrowser, "open", opened.append)
    monkeypatch.setattr(serving.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    serving.open_browser("http://127.0.0.1:1/")
    assert opened == []
    monkeypatch.setenv("DISPLAY", ":0")
    serving.open_browser("http://127.0.0.1:1/")
    assert opened == ["http://127.0.0.1:1/"]


@pytest.mark.slow
def test_the_server_answers_and_says_so():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"here"})

    listener = serving.listening("127.0.0.1", 0)
    port, opened = listener.getsockname()[1], threading.Event()
    threading.Thread(target=serving.serve, args=(app, listener), kwargs={"started": opened.set}, daemon=True).start()
    assert opened.wait(10)
    time.sleep(0.1)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
        assert answer.read() == b"here"
