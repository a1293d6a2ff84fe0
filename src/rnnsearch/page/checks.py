"""Which requests a page on this machine answers: those by one of its names, and none from a page of another site.

A foreign page can make a browser send requests here, and can point its own name at this machine (DNS rebinding). The
former are recognised by Sec-Fetch-Site and Origin, which no page can set itself, the latter by their Host.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
SAFE = ("GET", "HEAD", "OPTIONS")  # methods that change nothing
OWN = {"same-origin", "none"}  # none: typed, or a bookmark
REFUSED = "Another site's page asked for this; open the page by its own address, typed or pasted into the browser.\n"


def checked(app: ASGIApp, hosts: Sequence[str]) -> ASGIApp:
    """The application behind both checks; ``hosts`` are the names by which it may be called."""
    return TrustedHostMiddleware(OwnSite(app), allowed_hosts=list(hosts), www_redirect=False)


class OwnSite:
    """Refuses what another site's page makes a browser request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http" and not is_own(scope["method"], Headers(scope=scope)):
            await PlainTextResponse(REFUSED, 403)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def is_own(method: str, headers: Headers) -> bool:
    """Whether a request comes from the page itself, or from no page at all.

    A link from another port of this machine (same-site) may be followed: the index of reports has such links.
    """
    foreign = set(headers.getlist("sec-fetch-site")) - OWN
    followed = method in SAFE and headers.getlist("sec-fetch-mode") == ["navigate"]
    if foreign and not (foreign == {"same-site"} and followed):
        return False
    return method in SAFE or all(_netloc(origin) == headers.get("host") for origin in headers.getlist("origin"))


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:  # brackets without an address
        return None
