"""Requests that do not come from the explorer's own page are refused before anything is computed."""

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from isthmus.explore.app import explorer
from isthmus.explore.guard import Access, is_loopback

HOME = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def client(explored):
    return TestClient(explorer(explored), base_url=HOME)


@pytest.fixture(scope="module")
def open_to_others(explored):
    return explorer(explored, access=Access(hosts=("example.org",), token="secret-token", cookie="isthmus_8000"))


@pytest.mark.parametrize("path", ["/", "/static/explore.js", "/meta", "/no-such-page", "/row?number=x"])
def test_every_answer_has_the_headers(client, path):
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    for part in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
        assert part in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "evil.example:8000",
        "10.0.0.1",
        "",
        "127.0.0.1@evil.example",
        "localhost:8000/x",
    ],
)
def test_a_rebound_name_is_refused(client, host):
    assert client.get("/meta", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000", "LOCALHOST"])
def test_names_of_this_machine_are_known(client, host):
    assert client.get("/static/explore.css", headers={"host": host}).status_code == 200


def test_two_host_headers_are_refused(client):
    headers = [("host", "127.0.0.1:8000"), ("host", "evil.example")]
    assert client.get("/meta", headers=headers).status_code == 421


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9000", "https://127.0.0.1:8000"])
def test_another_origin_is_refused(client, origin):
    assert client.post("/decode", content=bytes(24), headers={"origin": origin}).status_code == 403


def test_the_own_origin_is_not_refused(client):
    assert client.post("/decode", content=bytes(24), headers={"origin": HOME}).status_code == 200
    assert client.post("/decode", content=bytes(24)).status_code == 200


def test_a_page_of_another_site_can_only_link_here(client):
    headers = {"sec-fetch-site": "cross-site"}
    assert client.get("/meta", headers=headers).status_code == 403
    assert client.get("/", headers=headers).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(client, method):
    assert client.request(method, "/").status_code == 405


def test_a_large_body_is_refused(client):
    assert client.post("/decode", content=bytes((1 << 20) + 1)).status_code == 413


def test_a_large_body_without_a_length_is_refused(client):
    def pieces():
        for _ in range(20):
            yield bytes(1 << 16)

    assert client.post("/selection", content=pieces()).status_code == 413


@pytest.mark.parametrize(
    "path",
    [
        "/static/..%2f..%2fapp.py",
        "/static/../app.py",
        "/static/index.html",
        "/static/%2e%2e/app.py",
        "/etc/passwd",
        "/static//etc/passwd",
    ],
)
def test_no_path_of_a_request_reaches_the_disk(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert "there is no such" in answer.text


def test_without_the_token_nothing_is_answered(open_to_others):
    stranger = TestClient(open_to_others, base_url="http://example.org", follow_redirects=False)
    for path in (
        "/",
        "/meta",
        "/static/explore.js",
        "/?token=wrong",
        "/?token=",
        "/?token=é",
        "/meta?token=secret-token",
    ):
        assert stranger.get(path).status_code == 401
    assert stranger.get("/meta", headers={"cookie": "isthmus_8000=wrong; isthmus=secret-token"}).status_code == 401


def test_the_token_becomes_a_cookie(open_to_others):
    user = TestClient(open_to_others, base_url="http://example.org", follow_redirects=False)
    answer = user.get("/?token=secret-token")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    for part in ("isthmus_8000=secret-token", "HttpOnly", "SameSite=Strict", "Path=/"):
        assert part in cookie
    assert user.get("/meta").status_code == 200


def test_with_a_token_an_address_is_known_and_another_name_is_not(open_to_others):
    user = TestClient(open_to_others, base_url="http://192.0.2.7:8000", follow_redirects=False)
    assert user.get("/?token=secret-token").status_code == 303
    rebound = TestClient(open_to_others, base_url="http://evil.example", follow_redirects=False)
    assert rebound.get("/?token=secret-token").status_code == 421


def test_web_sockets_are_refused(client):
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/"):
        pass


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("example.org", False),
    ],
)
def test_loopback_addresses(host, loopback):
    assert is_loopback(host) is loopback
