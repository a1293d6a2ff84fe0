"""The reports of all studies in a folder, on a port of this machine: an index, and the files of each report."""

import json
import re
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
from rnnsearch.records import RECORD
from rnnsearch.study.folder import STUDY

FILES = re.compile(r"report\.(html|md|tex|csv)|figures/[A-Za-z0-9._-]+\.png")  # of a study, and no other
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"


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

    async def index(request: Request) -> HTMLResponse:
        page = TEMPLATES.get_template("reports.html").render(studies=entries(output), links=links, output=output)
        return HTMLResponse(page)

    async def file(request: Request) -> FileResponse:
        return FileResponse(report_file(output, request.path_params["study"], request.path_params["path"]))

    return Starlette(
        routes=[Route("/", index), Route("/{study}/{path:path}", file)],
        middleware=[
            Middleware(SafeHeaders, headers={**HEADERS, "Content-Security-Policy": POLICY}),
            Middleware(checked, hosts=hosts),
        ],
    )


def report_file(output: Path, study: str, path: str) -> Path:
    """A file of a study's report.

    Raises:
        HTTPException: 404 for any other file, and for one that lies elsewhere.
    """
    place = output / study / path
    inside = place.resolve().is_relative_to((output / study).resolve())
    named = bool(re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", study) and FILES.fullmatch(path))
    if not (named and inside and (output / study).resolve().parent == output.resolve() and place.is_file()):
        raise HTTPException(404)
    return place


def entries(output: Path) -> list[Entry]:
    """The studies of a folder, by name."""
    return [_entry(path.parent) for path in sorted(output.glob(f"*/{STUDY}"))]


def _entry(study: Path) -> Entry:
    description = _object(study / STUDY)
    statuses = Counter(str(_object(path).get("status")) for path in study.glob(f"*/{RECORD}"))
    runs = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
    question = str(description.get("question") or "")
    return Entry(study.name, question, runs or "no runs yet", (study / "report.html").is_file())


def _object(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
