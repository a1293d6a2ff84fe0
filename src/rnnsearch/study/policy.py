"""What a browser may do with a report's page: apply its style and run the explorer's script, known by their digests.

The script is the same in every report, so that who serves reports can allow it, and none that a stranger wrote.
"""

import base64
import hashlib
from functools import cache
from importlib.resources import files

_POLICY = "default-src 'none'; img-src data:; {}style-src {}; base-uri 'none'; form-action 'none'"


@cache
def explorer_script() -> str:
    """The script of the sentence explorer, as it stands in the page."""
    return (files("rnnsearch.study") / "templates" / "explorer.js").read_text(encoding="utf-8")


def source_of(text: str) -> str:
    """An inline style or script as a source that a Content-Security-Policy allows (CSP level 3, section 2.3.1)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def policy(style: str, *, scripted: bool) -> str:
    """The Content-Security-Policy of a page with this style, and with the explorer's script if it is ``scripted``."""
    script = f"script-src {source_of(explorer_script())}; " if scripted else ""
    return _POLICY.format(script, source_of(style))
