"""A report of many members in Debian's Chromium: narrow and wide, light and dark, without scripts, without network."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rnnsearch.page import serving
from rnnsearch.page.reports import make_reports

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed; it is in the extra dev")
ATTACK = '<script>document.title = "attacked"</script><img src="https://evil.example/x.png"><p style="color: red">x</p>'

pytestmark = pytest.mark.slow


@pytest.fixture
def address(sweep: Path) -> str:
    return (sweep / "report.html").as_uri()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_report_fits_and_stays_to_itself(browser: playwright.Browser, address: str, width: int, scheme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url[:80]) if "data:" not in request.url[:5] else None)
    page.goto(address)
    assert complaints == [address[:80]]  # the page itself, and nothing else
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    broken = "[...document.images].filter(image => !image.complete || image.naturalWidth === 0).length"
    assert page.evaluate(broken) == 0
    assert page.locator("img").count() > 10
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(","))) < 300) == (scheme == "dark")
    page.evaluate("document.querySelectorAll('details').forEach(card => card.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


def test_cards_open_by_keyboard_and_without_scripts(browser: playwright.Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    failed = page.locator("details.bad").first
    assert not failed.locator("pre").is_visible()
    failed.locator("summary").focus()
    page.keyboard.press("Enter")
    assert "loss is nan" in failed.locator("pre").inner_text()
    page.get_by_role("link", name="Provenance").click()
    assert page.url.endswith("#provenance")
    assert page.get_by_text("This part needs JavaScript").is_visible()
    context.close()


@pytest.fixture
def served(sweep: Path) -> Iterator[str]:
    """The report as the dashboard serves it."""
    with serving.listen("127.0.0.1", 0) as listener:
        server = serving.make_server(make_reports(sweep.parent, []))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield f"{serving.address(listener)}{sweep.name}/report.html"
        server.should_exit = True
        thread.join(timeout=20)


def complaints(page: playwright.Page) -> list[str]:
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    return told


def test_a_served_report_works_under_both_policies(browser: playwright.Browser, served: str) -> None:
    page = browser.new_page()
    told = complaints(page)
    page.goto(served)
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    assert page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") == "1200px"
    widest = "image => parseInt(getComputedStyle(image).maxWidth) - parseInt(image.className.slice(1))"
    assert page.locator("figure img").first.evaluate(widest) == 0
    assert page.locator("#explorer .sentence").count() == 10
    assert told == []
    page.close()


def test_a_report_s_own_policy_lets_nothing_in(browser: playwright.Browser, sweep: Path, tmp_path: Path) -> None:
    attacked = tmp_path / "report.html"
    text = (sweep / "report.html").read_text(encoding="utf-8")
    attacked.write_text(text.replace("<main>", f"<main>{ATTACK}"), encoding="utf-8")
    page = browser.new_page()
    told = complaints(page)
    page.goto(attacked.as_uri())
    assert page.title() != "attacked"
    assert page.evaluate("getComputedStyle(document.querySelector('main > p')).color") != "rgb(255, 0, 0)"
    for refused in ("inline script", "image 'https://evil.example/x.png'", "inline style"):
        assert any(refused in sentence for sentence in told), told
    page.close()
