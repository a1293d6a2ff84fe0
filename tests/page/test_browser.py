"""The page in a browser: Debian's Chromium, without a screen."""

import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.page.conftest import FakeModel

from rnnsearch.page import serving
from rnnsearch.page.app import make_app
from rnnsearch.page.limits import Limits

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed; it is in the extra dev")
CHROMIUM = shutil.which("chromium")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium; on Debian: apt-get install chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])  # in a container one is root
        yield found
        found.close()


@pytest.fixture
def address(limits: Limits) -> Iterator[str]:
    """Where two runs are served, one of them without attention."""
    app = make_app({"with": FakeModel(), "without": FakeModel(method="saliency")}, limits)
    with serving.listen("127.0.0.1", 0) as listener:
        server = serving.make_server(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield serving.address(listener)
        server.should_exit = True
        thread.join(timeout=20)


@pytest.fixture
def page(browser: playwright.Browser, address: str) -> Iterator[playwright.Page]:
    """The open page; anything that the browser complains of is an error."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda request: None if request.url.startswith(address) else complaints.append(request.url))
    opened.goto(address)
    yield opened
    context.close()
    assert complaints == []


def lit(page: playwright.Page) -> list[str]:
    """The words that are lit in the first run's best translation, source first."""
    return page.locator(".panel").first.locator(".candidate").first.locator(".word.on").all_inner_texts()


def test_a_sentence_is_typed_translated_and_its_words_light_up(page: playwright.Page, tmp_path: Path) -> None:
    page.get_by_label("Sentence").fill("the dog sleeps")
    page.get_by_role("button", name="Translate").click()
    page.wait_for_selector(".panel")
    assert page.locator(".panel").count() == 2
    assert page.url.endswith("/")  # fetched, not loaded anew
    first = page.locator(".panel").first
    assert first.locator(".words.target").first.inner_text().split() == ["SLEEPS", "DOG", "THE"]

    first.locator(".candidate").first.get_by_role("option", name="the", exact=True).hover()
    assert lit(page) == ["the", "THE"]
    other = page.locator(".panel").nth(1).locator(".candidate").first.locator(".word.on")
    assert other.all_inner_texts() == ["the", "THE"]  # a source word, in every run
    assert first.locator("td.on").first.inner_text() == "75"
    shade = "cell => getComputedStyle(cell).backgroundColor"
    assert first.locator("td.w15").first.evaluate(shade) != first.locator("td.w0").first.evaluate(shade)
    screenshot = tmp_path / "page.png"
    page.screenshot(path=screenshot)
    assert screenshot.read_bytes().startswith(b"\x89PNG")

    first.locator(".candidate").first.get_by_role("option", name="SLEEPS", exact=True).hover()
    assert lit(page) == ["sleeps", "SLEEPS"]
    first.locator("tbody tr").nth(1).locator("td").nth(1).hover()
    assert lit(page) == ["dog", "DOG"]
    page.get_by_label("Sentence").hover()
    assert lit(page) == []


def test_the_keyboard_does_all_that_the_pointer_does(page: playwright.Page) -> None:
    playwright.expect(page.get_by_label("Sentence")).to_be_focused()
    page.keyboard.type("the dog sleeps")
    page.keyboard.press("Enter")
    page.wait_for_selector(".panel")
    for _ in range(4):
        page.keyboard.press("Tab")  # both numbers, the button, the first word
    assert lit(page) == ["the", "THE"]
    page.keyboard.press("ArrowRight")
    assert lit(page) == ["dog", "DOG"]
    assert page.locator(":focus").inner_text() == "dog"
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    assert lit(page) == ["sleeps", "SLEEPS"]
    assert page.locator(":focus").get_attribute("aria-selected") == "true"
    page.keyboard.press("Tab")  # one stop a line: on to the translation
    assert page.locator(":focus").inner_text() == "SLEEPS"
    page.keyboard.press("Home")
    page.locator("summary").first.focus()
    assert lit(page) == []
    page.keyboard.press("Enter")
    assert page.locator("details[open] .words.target").inner_text().split() == ["SLEEPS", "DOG", "THE!"]


def test_arrows_follow_the_direction_of_writing(page: playwright.Page) -> None:
    page.get_by_label("Sentence").fill("שלום עולם")
    page.keyboard.press("Enter")
    page.wait_for_selector(".panel")
    page.locator(".words.source .word").first.focus()
    page.keyboard.press("ArrowLeft")
    assert page.locator(":focus").inner_text() == "עולם"


@pytest.mark.parametrize("scripts", [True, False])
def test_markup_stays_text(browser: playwright.Browser, address: str, scripts: bool) -> None:
    context = browser.new_context(java_script_enabled=scripts)
    page = context.new_page()
    page.on("dialog", lambda _: pytest.fail("a script ran"))
    page.goto(address)
    page.get_by_label("Sentence").fill("<img src=x onerror=alert(1)> </textarea>")
    page.get_by_role("button", name="Translate").click()
    page.wait_for_selector(".panel")
    assert page.locator(".panel img").count() == 0
    assert page.get_by_label("Sentence").input_value() == "<img src=x onerror=alert(1)> </textarea>"
    context.close()


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.slow
def test_nothing_sticks_out(browser: playwright.Browser, address: str, width: int, scheme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    page.goto(address)
    page.get_by_label("Sentence").fill(" ".join(["Donaudampfschifffahrtsgesellschaft"] * 2 + ["x" * 25]))
    page.keyboard.press("Enter")
    page.wait_for_selector(".panel")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(","))) < 300) == (scheme == "dark")
    context.close()


LONG = "the small old dog of our neighbours sleeps in the warm evening sun beside the red house they built"
CLIPPED = "[...document.querySelectorAll('.heatmap th > *')].some(one => one.scrollWidth > one.clientWidth + 1)"
HIDDEN = """() => [...document.querySelectorAll(".best > .candidate .scroll")].map(place => {
  const last = place.querySelector("thead th:last-child").getBoundingClientRect();
  const seen = place.getBoundingClientRect();
  return Math.max(last.right - seen.right, seen.left - last.left);
})"""


@pytest.fixture
def roomy(limits: Limits) -> Iterator[str]:
    """Two runs that take long sentences."""
    models = {"with": FakeModel(), "without": FakeModel(method="saliency")}
    with serving.listen("127.0.0.1", 0) as listener:
        server = serving.make_server(make_app(models, replace(limits, max_words=100, max_characters=1000)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield serving.address(listener)
        server.should_exit = True
        thread.join(timeout=20)


def test_a_matrix_shows_its_last_word_or_that_there_is_more(browser: playwright.Browser, roomy: str) -> None:
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    page.goto(roomy)
    for sentence in ("Donaudampfschifffahrtsgesellschaftskapitän schläft", LONG, "הכלב של השכנים ישן בשמש"):
        page.get_by_label("Sentence").fill(sentence)
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Translate", disabled=False).wait_for()
        assert max(page.evaluate(HIDDEN)) < 1
        assert not page.evaluate(CLIPPED)
    assert page.locator(".heatmap").first.evaluate("table => getComputedStyle(table).direction") == "rtl"
    page.set_viewport_size({"width": 360, "height": 900})
    page.get_by_label("Sentence").fill(LONG)
    page.keyboard.press("Enter")
    matrix = page.locator(".best > .candidate .scroll.more").first
    matrix.wait_for()
    matrix.evaluate("place => place.scrollBy(9999, 0)")
    page.locator(".best > .candidate .scroll:not(.more)").first.wait_for()
    page.close()


def test_a_refusal_and_a_server_that_is_gone_are_told(browser: playwright.Browser, address: str) -> None:
    page = browser.new_context().new_page()
    page.goto(address)
    page.get_by_label("Sentence").fill("a " * 20)
    page.keyboard.press("Enter")
    assert "20 words" in page.get_by_role("alert").inner_text()
    page.get_by_role("button", name="Translate", disabled=False).wait_for()  # it takes no second one before
    page.route("**/results", lambda route: route.abort())
    with page.expect_event("requestfailed"):
        page.keyboard.press("Enter")
    page.get_by_text("The server does not answer").wait_for()
    assert page.get_by_role("button").inner_text() == "Translate"
    page.context.close()
