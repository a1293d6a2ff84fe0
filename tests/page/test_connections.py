"""Clients that are slow, many or gone, against a server on a port of this machine."""

import contextlib
import http.client
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from tests.page.conftest import LIMITS, FakeModel

from rnnsearch.page import connections, serving
from rnnsearch.page.app import make_app
from rnnsearch.page.limits import Limits

HOST = b"Host: 127.0.0.1\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 500\r\n\r\n"
HALF = [
    b"",  # says nothing
    b"GE",
    b"GET / HTTP/1.1\r\n" + HOST + b"X-Slow: ",
    b"POST /results HTTP/1.1\r\n" + HOST + FORM + b"text=",
    b"GET / HTTP/1.1\r\n" + HOST + b"\r\n",  # whole, and then nothing more
    b"nonsense\r\n\r\n",
]


@pytest.fixture
def port(model: FakeModel) -> Iterator[int]:
    with serving.listen("127.0.0.1", 0) as listener:
        server = serving.make_server(make_app({"one": model}, Limits(**LIMITS)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join(timeout=20)
        assert not thread.is_alive()


def connected(port: int, sent: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=10)
    client.sendall(sent)
    return client


def asked(port: int, method: str = "GET", path: str = "/", body: str | None = None) -> http.client.HTTPResponse:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    client.request(method, path, body, {"Content-Type": "application/x-www-form-urlencoded"} if body else {})
    answer = client.getresponse()
    answer.read()
    client.close()
    return answer


def test_half_open_connections_keep_nobody_waiting(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "CONNECTIONS", 100)  # both ends of each are this process's
    asked(port)  # the first answer reads the template
    with ExitStack() as stack:
        for number in range(250):
            stack.enter_context(connected(port, HALF[number % len(HALF)]))
        started = time.monotonic()
        assert asked(port).status == 200
        assert asked(port, "POST", "/results", "text=a").status == 200
        assert time.monotonic() - started < 5  # 0.02 s on a machine with nothing else to do


def is_ended(client: socket.socket) -> bool:
    try:
        while client.recv(2**16):
            pass
    except TimeoutError:
        return False
    except ConnectionResetError:
        pass
    return True


@pytest.mark.parametrize("sent", HALF)
@pytest.mark.slow
def test_a_slow_connection_is_ended(port: int, sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SECONDS", 0.3)
    with connected(port, sent) as client:
        assert is_ended(client)


def test_a_drop_at_a_time_buys_no_more_time(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SECONDS", 0.5)
    with connected(port, HALF[3]) as client, pytest.raises(ConnectionError):  # noqa: PT012 -- whichever drop is refused
        for _ in range(200):
            client.sendall(b"x")
            time.sleep(0.05)


def test_an_answer_that_nobody_reads_is_dropped(
    port: int, model: FakeModel, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(connections, "SECONDS", 0.5)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.settimeout(10)
        client.connect(("127.0.0.1", port))
        request = b"GET /static/style.css HTTP/1.1\r\n" + HOST + b"\r\n"
        with pytest.raises(ConnectionError):  # noqa: PT012 -- whichever of them is refused
            for _ in range(100_000):
                client.sendall(request * 50)
    assert asked(port).status == 200
    assert "Traceback" not in capfd.readouterr().err


def test_a_slow_translation_is_no_slow_client(port: int, model: FakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SECONDS", 0.2)
    model.before = lambda: time.sleep(0.8)
    assert asked(port, "POST", "/results", "text=a").status == 200


def test_of_many_at_once_few_wait_and_the_others_are_told(port: int, model: FakeModel) -> None:
    model.before = lambda: time.sleep(0.3)
    with ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(lambda _: asked(port, "POST", "/results", "text=a"), range(200)))
    found = Counter(answer.status for answer in answers)
    assert set(found) == {200, 503}
    assert found[200] >= 1 + LIMITS["max_waiting"]
    assert {answer.headers["retry-after"] for answer in answers if answer.status == 503} == {"5"}
    assert len(model.asked) == found[200]


def test_who_leaves_costs_no_translation_and_no_traceback(
    port: int, model: FakeModel, capfd: pytest.CaptureFixture[str]
) -> None:
    model.before = lambda: time.sleep(0.5)
    request = b"POST /results HTTP/1.1\r\n" + HOST + FORM.replace(b"500", b"6") + b"text=a"
    with connected(port, request), connected(port, request) as left, connected(port, HALF[3]) as half:
        time.sleep(0.2)
        left.close()
        half.close()
        time.sleep(0.8)
    assert asked(port, "POST", "/results", "text=b").status == 200
    assert [one["texts"] for one in model.asked] == [["a"], ["b"]]
    assert "Traceback" not in capfd.readouterr().err


PARTS = [
    *(b"GET", b"POST", b"HEAD", b"PUT", b"TRACE", b"CONNECT", b" ", b"/", b"/results", b"/static/", b"/static/page.js"),
    *(b"..%2f", b"%00", b"%ff", b"//evil.example/", b"http://evil.example/", b"?a=b", b"#", b"*", b"x" * 3000),
    *(b" HTTP/1.1", b" HTTP/1.0", b" HTTP/2", b"\r\n", b"\n", b"\r\n\r\n", b"\0", b"\xff", b"\r"),
    *(HOST, b"Host: evil.example\r\n", b"Host:\r\n", b"Origin: null\r\n", b"Origin: http://[\r\n"),
    *(b"Sec-Fetch-Site: cross-site\r\n", *(b"Content-Length: %s\r\n" % length for length in (b"5", b"-1", b"1e9"))),
    *(b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n", b"Connection: upgrade\r\nUpgrade: websocket\r\n"),
    *(b"Range: bytes=0-9,-1\r\n", b"If-Modified-Since: never\r\n", b"text=a", b"5\r\ntext=\r\n0\r\n\r\n", b"&" * 50),
]


def test_any_bytes_are_answered_or_refused(port: int, capfd: pytest.CaptureFixture[str]) -> None:
    draw, found = random.Random(0), Counter[bytes]()
    for _ in range(300):
        head = draw.choice(PARTS[:2]) + b" " + draw.choice(PARTS[7:20]) + b" HTTP/1.1\r\n" + HOST
        sent = b"".join(draw.choices(PARTS, k=draw.randrange(1, 9)))
        with connected(port, head + sent if draw.random() < 0.7 else sent) as client:
            client.shutdown(socket.SHUT_WR)
            found[answered(client)[9:10]] += 1
    assert set(found) <= {b"", b"1", b"2", b"3", b"4"}
    assert found[b"2"] > 0
    assert asked(port).status == 200
    assert "Traceback" not in capfd.readouterr().err


def answered(client: socket.socket) -> bytes:
    """All that a server says until it closes."""
    said = b""
    with contextlib.suppress(ConnectionResetError):
        while more := client.recv(2**16):
            said += more
    return said
