"""The built pages: strict, without dead links, complete, and without anything fetched from elsewhere."""

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from tests.docs.markdown import PAGES, ROOT

from rnnsearch.config.config_dir import config_dir, groups

CHROMIUM = shutil.which("chromium")
_LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")


class Page(HTMLParser):
    """The anchors of a page, where its links lead, and what it loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attrs if value is not None}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag in ("script", "img", "iframe", "source") and "src" in given:
            self.loads.append(given["src"])
        elif tag == "link" and given.get("rel") in ("stylesheet", "icon", "preload", "preconnect"):
            self.loads.append(given["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make docs` builds it, from where no proxy answers."""
    folder = tmp_path_factory.mktemp("site")
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    built = subprocess.run(
        words, cwd=ROOT, env=os.environ | nowhere | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True
    )
    assert (built.returncode, built.stdout, built.stderr) == (0, "", "")
    return folder


@pytest.mark.slow
def test_every_link_and_anchor_is_there(site: Path) -> None:
    pages = {path: Page(path) for path in site.rglob("*.html") if path.name != "404.html"}
    dead = []
    for path, page in pages.items():
        for link in page.links:
            if link.startswith(("http://", "https://", "mailto:")):
                continue
            name, _, anchor = link.partition("#")
            target = (path.parent / unquote(name)).resolve() if name else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file() or (anchor and anchor not in pages[target].anchors):
                dead.append((path.name, link))
    assert not dead
    assert len(pages) > 10


@pytest.mark.slow
def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    loads = {load for path in site.rglob("*.html") for load in Page(path).loads}
    assert not [load for load in loads if re.match(r"(\w+:)?//", load)]
    sheets = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", sheets)


@pytest.mark.slow
def test_equations_need_no_script(site: Path) -> None:
    text = (site / "model.html").read_text(encoding="utf-8")
    assert text.count("<math") > 50
    assert "\\(" not in text.replace("\\(MathJax", "")
    assert "arithmatex" not in text


@pytest.mark.slow
def test_the_reference_names_every_option_and_key(site: Path) -> None:
    text = (site / "configs.html").read_text(encoding="utf-8")
    options = {f"{group}={option}" for group, found in groups(config_dir()).items() for option in found}
    assert len(options) > 60
    assert not {option for option in options if f"{option}</code>" not in text}
    for group in ("data", "model/context", "model/decoder", "search", "tokenizer"):
        for path in (config_dir() / group).glob("*.yaml"):
            keys = [key for key in yaml.safe_load(path.read_text(encoding="utf-8")) if not key.startswith(("_", "def"))]
            assert not [key for key in keys if f"{group.replace('/', '.')}.{key}" not in text], path


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent == ROOT], ids=lambda page: page.name)
def test_files_that_a_page_of_the_checkout_names_are_there(page: Path) -> None:
    targets = [match["target"] for match in _LINK.finditer(page.read_text(encoding="utf-8"))]
    local = [target.partition("#")[0] for target in targets if "://" not in target]
    assert not [target for target in local if not (page.parent / target).exists()]


def test_readme_shows_a_report_and_fits_the_screen() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    pictures = re.findall(r"!\[.+\]\((\S+\.png)\)", text)
    assert pictures
    assert all((ROOT / picture).stat().st_size > 10_000 for picture in pictures)
    assert len(text.splitlines()) < 90
    assert text.index("make compare") < text.index("make test") < 300


def test_nothing_of_the_documentation_is_left_out_of_the_navigation() -> None:
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert not [page.name for page in (ROOT / "docs").glob("*.md") if f": {page.name}\n" not in nav]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium; on Debian: apt-get install chromium")
@pytest.mark.parametrize("width", [390, 1300])
def test_pages_opened_as_files(site: Path, width: int) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])  # in a container one is root
        page = browser.new_page(viewport={"width": width, "height": 900})
        requests: list[str] = []
        errors: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        for path in sorted(site.rglob("*.html")):
            if path.name == "404.html":
                continue
            page.goto(path.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{path.name} is too wide"
        if width > 1000:
            page.click(".md-search__input")
            page.keyboard.type("readout_state")
            page.wait_for_selector(".md-search-result__item")
        assert not errors
        assert not [url for url in requests if not url.startswith(("file:", "data:", "about:"))]
