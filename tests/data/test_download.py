"""Downloads from a local server that breaks off, answers 404, serves a wrong file, and at last the right one."""

import contextlib
import errno
import hashlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO, ClassVar

import pooch
import pytest

from rnnsearch.data import download
from rnnsearch.data.download import fetch

CONTENT = bytes(range(256)) * 400
SHA256 = hashlib.sha256(CONTENT).hexdigest()
REMEDY = "set data.root"


class Handler(BaseHTTPRequestHandler):
    asked: ClassVar[list[str]] = []
    go: ClassVar = threading.Event()  # lets a held answer go on after its first half

    def do_GET(self) -> None:
        kind = self.path.split("/")[1]
        self.asked.append(kind)
        if kind == "missing":
            self.send_error(404)
            return
        if kind == "busy" or (kind == "flaky" and self.asked.count("flaky") == 1):
            self.send_error(503)
            return
        body = b"<html>log in first</html>" if kind == "wrong" else CONTENT
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        half = len(body) // 2
        self.wfile.write(body[:half])
        if kind == "held":
            self.go.wait(60)
        if kind != "broken":
            with contextlib.suppress(ConnectionError):  # who asked may be dead
                self.wfile.write(body[half:])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0.0)
    Handler.asked.clear()
    Handler.go.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


def get(folder: Path, *urls: str) -> Path:
    return fetch([f"{url}/x.gz" for url in urls], sha256=SHA256, folder=folder, name="x.gz", remedy=REMEDY)


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".x.gz.lock")


def test_mirrors_are_tried_in_turn(server: str, tmp_path: Path) -> None:
    kinds = ("missing", "broken", "wrong", "good")
    path = get(tmp_path / "new" / "folder", *(f"{server}/{kind}" for kind in kinds))
    assert path.read_bytes() == CONTENT
    assert Handler.asked == list(kinds)
    assert left_in(path.parent) == ["x.gz"]


def test_a_whole_file_is_not_fetched_again_and_a_damaged_one_is(server: str, tmp_path: Path) -> None:
    for expected in (1, 1):
        get(tmp_path, f"{server}/good")
        assert len(Handler.asked) == expected
    (tmp_path / "x.gz").write_bytes(CONTENT[:-1])
    assert get(tmp_path, f"{server}/good").read_bytes() == CONTENT
    assert len(Handler.asked) == 2


def test_a_failing_mirror_is_asked_again(server: str, tmp_path: Path) -> None:
    assert get(tmp_path, f"{server}/flaky").read_bytes() == CONTENT
    assert Handler.asked == ["flaky", "flaky"]


def test_not_found_is_asked_once(server: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"x\.gz could not be downloaded \(.*missing/x\.gz: 404 .*\); set data"):
        get(tmp_path, f"{server}/missing")
    assert Handler.asked == ["missing"]
    assert left_in(tmp_path) == []


def test_connection_that_breaks_off(server: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"the connection broke off\); set data\.root"):
        get(tmp_path, f"{server}/broken")
    assert len(Handler.asked) == download.ROUNDS
    assert left_in(tmp_path) == []


def test_wrong_file(server: str, tmp_path: Path) -> None:
    got = hashlib.sha256(b"<html>log in first</html>").hexdigest()
    with pytest.raises(
        ValueError, match=rf"wrong file, SHA-256 expected {SHA256}, got {got};.*404 .*\); set data\.root"
    ):
        get(tmp_path, f"{server}/wrong", f"{server}/missing")
    assert left_in(tmp_path) == []


def test_busy_server_and_no_server(server: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"busy/x\.gz: 503 .*1/x\.gz: no connection\); set data"):
        get(tmp_path, f"{server}/busy", "http://127.0.0.1:9/1")
    with pytest.raises(FileNotFoundError, match="no mirror is named"):
        get(tmp_path)


def test_no_space_left(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: pooch.HTTPDownloader, url: str, output_file: BinaryIO, pooch: None) -> None:
        output_file.write(CONTENT[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", full)
    with pytest.raises(OSError, match=r"^no space left to write .*x\.gz; free some, or set paths\.cache"):
        get(tmp_path, f"{server}/good")
    assert left_in(tmp_path) == []


def test_two_at_once_download_once(server: str, tmp_path: Path) -> None:
    threads = [threading.Thread(target=get, args=(tmp_path, f"{server}/good")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Handler.asked == ["good"]
    assert (tmp_path / "x.gz").read_bytes() == CONTENT


PROCESS = """
import sys, pathlib
from rnnsearch.data.download import fetch
url, sha256, folder = sys.argv[1:]
print("begins", flush=True)
path = fetch([url], sha256=sha256, folder=pathlib.Path(folder), name="x.gz", remedy="")
print(len(path.read_bytes()))
"""


def process(folder: Path, url: str) -> "subprocess.Popen[str]":
    """A process that is about to ask for the file."""
    words = [sys.executable, "-c", PROCESS, f"{url}/x.gz", SHA256, str(folder)]
    started = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    assert started.stdout.readline() == "begins\n"
    return started


def eventually(what: Callable[[], bool]) -> bool:
    end = time.monotonic() + 30
    while not what() and time.monotonic() < end:
        time.sleep(0.01)
    return what()


def check_whole(waiting: "subprocess.Popen[str]", folder: Path) -> None:
    assert waiting.communicate(timeout=60) == (f"{len(CONTENT)}\n", None)
    assert waiting.returncode == 0
    assert (folder / "x.gz").read_bytes() == CONTENT
    assert left_in(folder) == ["x.gz"]


def test_two_processes_download_once(server: str, tmp_path: Path) -> None:
    both = [process(tmp_path, f"{server}/held") for _ in range(2)]
    assert eventually(lambda: Handler.asked == ["held"])
    time.sleep(0.3)  # so that the other one would have asked, too
    Handler.go.set()
    for one in both:
        check_whole(one, tmp_path)
    assert Handler.asked == ["held"]


@pytest.mark.parametrize("waits", [True, False], ids=["while the other waits", "before the other comes"])
def test_a_process_is_killed_while_it_downloads(server: str, tmp_path: Path, waits: bool) -> None:
    first, part = process(tmp_path, f"{server}/held"), tmp_path / ".x.gz.part"
    assert eventually(lambda: part.exists() and part.stat().st_size > 0)
    others = [process(tmp_path, f"{server}/held")] if waits else []
    first.kill()
    first.communicate()
    assert not (tmp_path / "x.gz").exists()
    assert part.stat().st_size < len(CONTENT)
    Handler.go.set()
    check_whole(others[0] if waits else process(tmp_path, f"{server}/held"), tmp_path)
    assert Handler.asked == ["held", "held"]
