"""The local web page: a form, and each run's translation of the sentence in it.

It serves whoever reaches its address, so it trusts nothing: it answers only to its own names, and to no page of another
site (`checks`); connections, bodies, sentences and waiting requests are bounded; and the browser may load nothing but
the page's own files.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import parse_qs

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rnnsearch.page.checks import LOOPBACK, checked
from rnnsearch.page.limits import Asked, Busy, Limits, Queue
from rnnsearch.page.panels import Panel, TranslatingModel, panels
from rnnsearch.records.visible import visible

MAX_BODY = 2**20  # bytes; far above a sentence, so that one that is too long gets its own answer
RETRY_AFTER = "5"  # seconds
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
TEMPLATES = Environment(
    loader=PackageLoader("rnnsearch.page", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    finalize=lambda value: visible(value) if type(value) is str else value,
)


def make_app(models: Mapping[str, TranslatingModel], limits: Limits, *, hosts: Sequence[str] = LOOPBACK) -> Starlette:
    """The page as an ASGI application.

    Args:
        models: what translates, by the names of their panels; shown side by side, in this order.
        limits: what may be asked.
        hosts: the names by which the page may be called; any other is refused.
    """
    page = Page(models, limits)
    return Starlette(
        routes=[
            Route("/", page.form, methods=["GET"]),
            Route("/", partial(page.translated, template="page.html"), methods=["POST"]),
            Route("/results", partial(page.translated, template="results.html"), methods=["POST"]),
            Mount("/static", StaticFiles(packages=[("rnnsearch.page", "static")])),
        ],
        middleware=[
            Middleware(SafeHeaders),
            Middleware(checked, hosts=hosts),
            Middleware(RequestBodyLimitMiddleware, max_body_size=MAX_BODY + 16 * limits.max_characters),
        ],
        exception_handlers={Exception: page.failed},
    )


class SafeHeaders:
    """Puts headers on every answer."""

    def __init__(self, app: ASGIApp, *, headers: Mapping[str, str] = HEADERS) -> None:
        self.app = app
        self.headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self.headers)
            await send(message)

        await self.app(scope, receive, send_with_headers)


class Page:
    """The answers of the page."""

    def __init__(self, models: Mapping[str, TranslatingModel], limits: Limits) -> None:
        self.models = models
        self.limits = limits
        self.queue = Queue(limits.max_waiting)

    async def form(self, request: Request) -> HTMLResponse:
        """The page with an empty form."""
        return self.answer("page.html", 200)

    async def translated(self, request: Request, template: str) -> HTMLResponse:
        """What the form of a request asks for, or a sentence that says why not: a page, or a part for its script."""
        form: dict[str, str] = {}
        try:
            form = fields(await request.body())
            asked = Asked.of(form, self.limits)
            results = await self.queue.run(partial(panels, self.models, asked), request.is_disconnected)
        except ValueError as error:
            return self.answer(template, 422, form, error=str(error))
        except (Busy, ClientDisconnect):  # a client that left gets nothing
            sentence = "Others are waiting already; try again in a few seconds."
            return self.answer(template, 503, form, error=sentence, headers={"Retry-After": RETRY_AFTER})
        return self.answer(template, 200, form, results)

    async def failed(self, request: Request, error: Exception) -> HTMLResponse:
        """A sentence for an error of this program; Starlette raises it again, so that the server logs its traceback."""
        template = "results.html" if request.url.path == "/results" else "page.html"
        sentence = "Something went wrong; the terminal where rnnsearch page runs says what."
        return self.answer(template, 500, error=sentence)

    def answer(
        self,
        template: str,
        status: int,
        form: Mapping[str, str] | None = None,
        found: Sequence[Panel] = (),
        *,
        error: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HTMLResponse:
        """A rendered template."""
        values: dict[str, Any] = {
            "names": list(self.models),
            "limits": self.limits,
            "form": form or {},
            "panels": found,
            "error": error,
        }
        content = TEMPLATES.get_template(template).render(values)
        return HTMLResponse(content.encode(errors="replace"), status, {**HEADERS, **(headers or {})})


def fields(body: bytes) -> dict[str, str]:
    r"""The fields of an urlencoded form, invalid UTF-8 replaced; lines end in ``\n``, for which browsers send ``\r\n``.

    Raises:
        ValueError: if there are too many.
    """
    parsed = parse_qs(body.decode(errors="replace"), keep_blank_values=True, errors="replace", max_num_fields=20)
    return {name: values[-1].replace("\r\n", "\n") for name, values in parsed.items()}
