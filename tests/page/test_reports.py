"""The index of studies, its files and no others, and the dashboards beside it."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from rnnsearch.cli.commands.dashboard import Board, started
from rnnsearch.page import reports
from rnnsearch.page.reports import Link, make_reports

CHROMIUM = shutil.which("chromium")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Two studies, one with a report; a secret beside them."""
    folder = tmp_path / "outputs"
    for name, question in (("ladder", "Which <part> helps?"), ("later", "")):
        (folder / name / "a-seed0").mkdir(parents=True)
        (folder / name / "study.json").write_text(json.dumps({"question": question}))
        (folder / name / "a-seed0" / "record.json").write_text(json.dumps({"status": "finished"}))
    (folder / "ladder" / "report.html").write_text("<h1>the report</h1>")
    (folder / "ladder" / "figures").mkdir()
    (folder / "ladder" / "figures" / "curve.png").write_bytes(b"png")
    (folder / "ladder" / "report.csv").symlink_to(tmp_path / "secret")
    (tmp_path / "secret").write_text("secret")
    return folder


@pytest.fixture
def client(output: Path) -> TestClient:
    app = make_reports(output, [Link("TensorBoard", "http://127.0.0.1:6006/")], hosts=["127.0.0.1"])
    return TestClient(app, base_url="http://127.0.0.1")


def test_the_index_lists_studies_and_dashboards(client: TestClient) -> None:
    text = client.get("/").text
    assert "Which &lt;part&gt; helps?" in text
    assert 'href="/ladder/report.html"' in text
    assert "rnnsearch report study=later" in text
    assert 'href="http://127.0.0.1:6006/"' in text
    assert "1 finished" in text


def test_files_of_a_report_are_served(client: TestClient) -> None:
    answer = client.get("/ladder/report.html")
    assert answer.text == "<h1>the report</h1>"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert client.get("/ladder/figures/curve.png").content == b"png"


@pytest.mark.parametrize(
    "path",
    [
        *("/ladder/study.json", "/ladder/a-seed0/record.json", "/later/report.html", "/ladder/report.csv"),
        *("/ladder/..%2f..%2fsecret", "/..%2fsecret", "/%2e%2e/report.html", "/ladder/figures/..%2f..%2fsecret.png"),
        *("/ladder/figures/%2fetc%2fpasswd", "/.hidden/report.html", "/%00/report.html", "/ladder/%00"),
        *("/a%00b/report.md", "/ladder/report.html%00", "/ladder/figures/%00.png", f"/{'x' * 300}/report.html"),
        *("/%ff/report.html", f"/ladder/figures/{'x' * 300}.png", f"/ladder/figures/{'x' * 9000}.png"),
        *("/./report.html", "/later/./report.html", "/nope/report.html"),
    ],
)
def test_nothing_else_is(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_study_s_name_is_of_any_script(client: TestClient, output: Path) -> None:
    shutil.copytree(output / "ladder", output / "多语言 çalışma?#%", symlinks=True)
    address = re.search(r'href="([^"]+)">多', client.get("/").text)
    assert address is not None
    assert client.get(address[1]).text == "<h1>the report</h1>"


def harm(study: Path, how: str) -> None:
    """Make study.json and a run's record what nobody can read."""
    for path in (study / "study.json", study / "a-seed0" / "record.json"):
        path.unlink()
        if how == "fifo":
            os.mkfifo(path)
        elif how == "socket":
            with socket.socket(socket.AF_UNIX) as bound, contextlib.chdir(path.parent):
                bound.bind(path.name)
        elif how == "circle":
            path.symlink_to(path)
        elif how == "folder":
            path.mkdir()
        elif how == "device":
            path.symlink_to("/dev/zero")
        elif how == "giant":
            with path.open("wb") as file:
                file.truncate(2**40)
        else:
            path.write_bytes({"deep": b"[" * 10**6, "bytes": b"\xff\x00", "list": b"[]", "long": b"9" * 10**5}[how])


@pytest.mark.parametrize(
    "how", ["fifo", "socket", "circle", "folder", "device", "giant", "deep", "bytes", "list", "long"]
)
def test_one_broken_study_harms_no_other(client: TestClient, output: Path, how: str) -> None:
    broken = Path(shutil.copytree(output / "later", output / "broken"))
    harm(broken, how)
    os.mkfifo(broken / "report.md")
    (broken / "report.tex").symlink_to("report.tex")
    text = client.get("/").text
    assert "Which &lt;part&gt; helps?" in text
    assert how == "circle" or "study.json can&#39;t be read" in text
    assert how == "circle" or "1 that can&#39;t be read" in text
    for path in ("/broken/report.html", "/broken/report.md", "/broken/report.tex"):
        assert client.get(path).status_code == 404
    assert client.get("/ladder/report.html").status_code == 200


def test_a_study_without_permission(client: TestClient, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports.os, "access", lambda path, mode: False)  # root may read everything
    assert client.get("/ladder/report.html").status_code == 404
    assert "no report yet" in client.get("/").text


def test_a_long_question_is_cut(client: TestClient, output: Path) -> None:
    (output / "later" / "study.json").write_text(json.dumps({"question": "x" * 10**6}))
    assert len(client.get("/").text) < 10_000


def test_other_names_of_this_machine_are_refused(client: TestClient) -> None:
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400


@pytest.fixture
def served(output: Path) -> Iterator[dict[str, str]]:
    """`rnnsearch dashboard` in a process of its own: name -> address."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from torch.utils.tensorboard import SummaryWriter

    storage = JournalStorage(JournalFileBackend(str(output / "later" / "search.journal")))
    optuna.create_study(study_name="later", storage=storage).optimize(lambda trial: trial.suggest_float("x", 0, 1), 2)
    with SummaryWriter(str(output / "later" / "a-seed0" / "tensorboard")) as writer:
        writer.add_scalar("validation/bleu", 12.0, 1)
    database = f"sqlite:///{output / 'mlflow.db'}"
    code = "import mlflow, sys; mlflow.set_tracking_uri(sys.argv[1]); mlflow.set_experiment('ladder')"
    subprocess.run([sys.executable, "-c", code, database], check=True, cwd=output, capture_output=True)
    words = [sys.executable, "-m", "rnnsearch", "dashboard", f"paths.output={output}"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    lines = [process.stdout.readline().strip() for _ in range(4)]
    yield dict(line.rsplit(": ", 1) for line in lines)
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(timeout=60) == 0
    process.stdout.close()


def answers(address: str, seconds: float = 90.0) -> str:
    """What an address says, once it does."""
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                return str(answer.read().decode(errors="replace"))
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.5)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium; on Debian: apt-get install chromium")
def test_every_dashboard_shows_the_study(served: dict[str, str], tmp_path: Path) -> None:
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed; it is in the extra dev"
    )
    assert set(served) == {"reports", "TensorBoard", "Optuna, later", "MLflow"}
    for address in served.values():
        assert address.startswith("http://127.0.0.1:")
        answers(address)
        for headers in ({"Host": "evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            with pytest.raises(urllib.error.HTTPError, match=r"40[03]"):
                urllib.request.urlopen(urllib.request.Request(address, headers=headers))
        foreign = urllib.request.Request(
            f"{address.partition('#')[0]}api/studies", b"{}", {"Origin": "http://evil.example"}
        )
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(foreign)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(120_000)
        pages = {"reports": "ladder", "TensorBoard": "later/a-seed0/tensorboard", "Optuna, later": "later"}
        for name, shown in {**pages, "MLflow": "ladder"}.items():
            page.goto(served[name])
            page.get_by_text(shown).first.wait_for()
            page.screenshot(path=tmp_path / f"{name}.png")
        page.goto(served["reports"])
        page.get_by_role("link", name="ladder").click()
        page.get_by_text("the report").wait_for()
        browser.close()


def test_a_dashboard_that_ends_by_itself_is_said(caplog: pytest.LogCaptureFixture) -> None:
    board = Board("Broken", "sys", "", (sys.executable, "-c", "print('first'); raise SystemExit('no such log')"))
    with caplog.at_level("WARNING"), started(board) as link:
        end = time.monotonic() + 20
        while not caplog.messages and time.monotonic() < end:
            time.sleep(0.05)
    assert caplog.messages == ["Broken has ended by itself with exit code 1: no such log"]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(link.address.rstrip("/").rpartition(":")[2])))
    assert not any(thread.name == "Broken" for thread in threading.enumerate())
