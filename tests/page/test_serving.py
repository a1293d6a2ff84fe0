"""Where the page listens, and what is said where it can't."""

import errno
import re
import socket
from contextlib import closing

import pytest

from rnnsearch.page import serving


def test_a_free_port_of_loopback() -> None:
    with serving.listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert serving.address(listener) == f"http://127.0.0.1:{port}/"
        assert serving.is_loopback(listener)
        assert serving.hosts(listener, "127.0.0.1") == ["localhost", "127.0.0.1", "[::1]"]
        with closing(socket.create_connection(("127.0.0.1", port), timeout=5)):
            pass  # before anybody serves


def test_all_addresses() -> None:
    with serving.listen("0.0.0.0", 0) as listener:
        assert serving.address(listener).startswith("http://127.0.0.1:")
        assert not serving.is_loopback(listener)
        assert {"localhost", "0.0.0.0", socket.gethostname()} <= set(serving.hosts(listener, "0.0.0.0"))


def test_the_newer_protocol() -> None:
    try:
        listener = serving.listen("::1", 0)
    except OSError:
        pytest.skip("there is no ::1 here")
    with listener:
        assert re.fullmatch(r"http://\[::1\]:\d+/", serving.address(listener))
        assert serving.is_loopback(listener)


def test_a_port_in_use() -> None:
    with serving.listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(OSError, match=f"port={port}: something else listens there already; choose another"):
            serving.listen("127.0.0.1", port)


@pytest.mark.parametrize("port", [-1, 65536, 80.5, "http", None, True])
def test_what_is_no_port(port: object) -> None:
    with pytest.raises(ValueError, match=f"port={port}: give a whole number from 1024 to 65535"):
        serving.listen("127.0.0.1", port)


def test_an_address_of_another_machine() -> None:
    with pytest.raises(OSError, match=r"host=192\.0\.2\.1: not an address of this machine"):
        serving.listen("192.0.2.1", 0)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), "port=80: ports below 1024 need privileges"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "host=here: not an address of this machine"),
        (OSError(errno.EMFILE, "Too many open files"), "host=here port=80: too many open files"),
    ],
)
def test_other_refusals(monkeypatch: pytest.MonkeyPatch, error: OSError, sentence: str) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises((OSError, ValueError), match=sentence) as raised:
        serving.listen("here", 80)
    assert "[Errno" not in str(raised.value)
