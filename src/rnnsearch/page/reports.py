"""The reports of all studies in a folder, on a port of this machine: an index, and the files of each report."""

import json
import os
import re
import stat
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse
from starlette.routing import Route

from rnnsearch.page.app import HEADERS, TEMPLATES, SafeHeaders
from rnnsearch.page.checks import LOOPBACK, checked
from rnnsearch.records.run_record import RECORD
from rnnsearch.records.study_description import STUDY
from rnnsearch.study.policy import explorer_script, source_of

FILES = re.compile(r"report\.(html|md|tex|csv)|figures/[\w.-]+\.png")  # the only files of a study that are served
POLICY = (
    f"default-src 'none'; script-src {source_of(explorer_script())}; style-src 'unsafe-inline'; img-src 'self' data:; "
    "base-uri 'none'; frame-ancestors 'none'"
)

MOST = 2**26  # bytes of a record
LONGEST = 500  # characters of a question
UNREADABLE = "that can't be read"


@dataclass(frozen=True, slots=True)
class Link:
    """A dashboard that runs beside the reports."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A study in the index."""

    name: str
    question: str
    runs: str
    has_report: bool


def make_reports(output: Path, links: Sequence[Link], *, hosts: Sequence[str] = LOOPBACK) -> Starlette:
    """The reports as an ASGI application.

    Args:
        output: the folder of the studies.
        links: dashboards that the index names too.
        hosts: the names by which it may be called; any other is refused.
    """

    def index(request: Request) -> HTMLResponse:
        page = TEMPLATES.get_template("reports.html").render(studies=entries(output), links=links, output=output)
        return HTMLResponse(page.encode(errors="replace"))

    def file(request: Request) -> FileResponse:
        path = report_file(output, request.path_params["study"], request.path_params["path"])
        if path is None:
            raise HTTPException(404)
        return FileResponse(path)

    return Starlette(
        routes=[Route("/", index), Route("/{study}/{path:path}", file)],
        middleware=[
            Middleware(SafeHeaders, headers={**HEADERS, "Content-Security-Policy": POLICY}),
            Middleware(checked, hosts=hosts),
        ],
    )


def report_file(output: Path, study: str, path: str) -> Path | None:
    """A readable file of a study's report; None for any other file, and for one that lies elsewhere."""
    if not (re.fullmatch(r"[^./][^/]*", study) and FILES.fullmatch(path)):
        return None
    place = output / study / path
    try:
        own = (output / study).resolve()
        inside = own.parent == output.resolve() and place.resolve().is_relative_to(own)
        return place if inside and place.is_file() and os.access(place, os.R_OK) else None
    except (OSError, ValueError, RuntimeError):  # not a file name, or a circle of links
        return None


def entries(output: Path) -> list[Entry]:
    """The studies of a folder, by name; one that can't be read is listed too."""
    return [_entry(path.parent) for path in sorted(output.glob(f"*/{STUDY}"))]


def _entry(study: Path) -> Entry:
    description = _object(study / STUDY)
    records = [_object(path) for path in study.glob(f"*/{RECORD}")]
    statuses = Counter(UNREADABLE if one is None else str(one.get("status"))[:LONGEST] for one in records)
    runs = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
    question = "study.json can't be read" if description is None else str(description.get("question") or "")
    has_report = report_file(study.parent, study.name, "report.html") is not None
    return Entry(study.name, question[:LONGEST], runs or "no runs yet", has_report)


def _object(path: Path) -> Mapping[str, Any] | None:
    """The object in a JSON file; None if it is no such file, too large or too deep."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), encoding="utf-8") as file:  # a FIFO would wait
            status = os.fstat(file.fileno())
            content = json.load(file) if stat.S_ISREG(status.st_mode) and status.st_size <= MOST else None
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None
