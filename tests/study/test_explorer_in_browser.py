"""The sentence explorer in Debian's Chromium, from a file: filter, sort, open, colours, keyboard, hostile text."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnsearch.study import explorer
from rnnsearch.study.blocks import First
from rnnsearch.study.folder import read_study
from rnnsearch.study.report import Report, render_html

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed; it is in the extra dev")

pytestmark = pytest.mark.slow

TAMPERED = '<img src=x onerror="document.title = 1"></script><script>document.title = 1</script>'
HOSTILE = (TAMPERED, "\u202eשלום\u202c", "a\x00b\x1b[31m", "👩‍👩‍👧 e\u0301", "x" * 3000, "", "\\u003c & &lt;", "\u2028")


@pytest.fixture
def page(browser: playwright.Browser, written: Path) -> Iterator[playwright.Page]:
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    yield from watched(opened, (written / "report.html").as_uri())


def watched(page: playwright.Page, address: str) -> Iterator[playwright.Page]:
    """The page at an address; afterwards it must have complained of nothing and loaded nothing else."""
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("request", lambda request: told.append(request.url) if not request.url.startswith("data:") else None)
    page.goto(address)
    yield page
    assert told == [address]
    page.close()


@pytest.fixture
def sentences(written: Path) -> list[dict[str, Any]]:
    fields = explorer.section(read_study(written)).explorer
    assert fields is not None
    return list(fields["sentences"])


def numbers(page: playwright.Page) -> list[int]:
    return [int(text) for text in page.locator(".sentence .number").all_inner_texts()]


def status(page: playwright.Page) -> str:
    return str(page.locator("#explorer [role=status]").inner_text())


def gap(sentence: dict[str, Any]) -> float:
    fixed, additive = sentence["by"]
    return float(additive["chrf"] - fixed["chrf"])


def first_ten(sentences: Sequence[dict[str, Any]], key: Any) -> list[int]:
    return [sentence["number"] for sentence in sorted(sentences, key=key)[:10]]


def test_sentences_are_sorted(page: playwright.Page, sentences: list[dict[str, Any]]) -> None:
    assert numbers(page) == first_ten(sentences, lambda one: -abs(gap(one)))
    assert status(page) == "200 of 200 sentences."
    page.get_by_label("Sort by").select_option(label="chrF, additive − fixed")
    assert numbers(page) == first_ten(sentences, lambda one: -gap(one))
    page.get_by_label("Order").select_option("smallest first")
    assert numbers(page) == first_ten(sentences, gap)
    for label, key in (
        ("source length, words", lambda one: one["length"]),
        ("chrF of additive", lambda one: one["by"][1]["chrf"]),
        ("entropy of additive", lambda one: one["by"][1]["entropy"]),
        ("place in the test set", lambda one: one["number"]),
    ):
        page.get_by_label("Sort by").select_option(label=label)
        assert numbers(page) == first_ten(sentences, key)
    assert "entropy of fixed" not in page.get_by_label("Sort by").inner_text()


def test_sentences_are_filtered(page: playwright.Page, sentences: list[dict[str, Any]]) -> None:
    page.get_by_label("least source length, words").fill("12")
    page.get_by_label("most source length, words").fill("15")
    page.get_by_label("least difference in chrF").fill("5.5")
    passed = [one for one in sentences if 12 <= one["length"] <= 15 and abs(gap(one)) >= 5.5]
    assert 0 < len(passed) < 200
    assert status(page) == f"{len(passed)} of 200 sentences."
    assert numbers(page) == first_ten(passed, lambda one: -abs(gap(one)))
    page.get_by_label("With the words").fill("hUnD")
    with_dog = [one for one in passed if "hund" in one["source"].lower()]
    assert status(page) == f"{len(with_dog)} of 200 sentences."
    page.get_by_role("button", name="Show all").click()
    assert status(page) == "200 of 200 sentences."
    page.get_by_label("least entropy of additive").fill("0.2")  # all have less
    assert (status(page), numbers(page)) == ("0 of 200 sentences.", [])
    assert not page.get_by_role("button", name="more").is_visible()


def test_words_that_differ_are_marked(page: playwright.Page, sentences: list[dict[str, Any]]) -> None:
    by_number = {one["number"]: [of["text"] for of in one["by"]] for one in sentences}
    marked = 0
    for shown in page.locator(".sentence").all():
        texts = by_number[int(shown.locator(".number").inner_text())]
        kept = []
        for text, place in zip(shown.locator(".text").all(), (0, 1), strict=True):
            assert text.text_content() == texts[place]
            parts = text.evaluate("e => [...e.childNodes].map(n => [n.nodeName, n.textContent])")
            marked += sum(name == "MARK" for name, _ in parts)
            kept.append([word for name, part in parts if name != "MARK" for word in words(part)])
        assert kept[0] == kept[1]
        assert len(kept[0]) == common(*map(words, texts))
    assert marked > 10


def words(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text)


def common(one: Sequence[str], other: Sequence[str]) -> int:
    """The length of a longest common subsequence."""
    longest = np.zeros((len(one) + 1, len(other) + 1), dtype=int)
    for i, word in enumerate(one):
        for j, word_of_other in enumerate(other):
            longest[i + 1, j + 1] = max(longest[i, j] + (word == word_of_other), longest[i, j + 1], longest[i + 1, j])
    return int(longest[-1, -1])


def test_a_sentence_opens_with_its_alignments(page: playwright.Page, sentences: list[dict[str, Any]]) -> None:
    page.get_by_label("Sort by").select_option(label="place in the test set")
    shown, sentence = page.locator(".sentence").first, sentences[0]
    shown.locator("summary").click()
    assert shown.locator("dt").all_inner_texts() == ["reference", "fixed", "additive"]
    assert shown.locator("dd").first.inner_text() == sentence["reference"]
    assert shown.locator("dd .more").last.inner_text().endswith(", entropy 0.12, coverage 0.78")
    links, weights = shown.locator(".alignment").all()
    assert links.locator(".label").all_inner_texts() == ["gold", "additive, by attention"]
    source, gold, _ = links.locator(".words").all()
    assert source.inner_text().split() == sentence["source"].split()
    for target, ruby in enumerate(gold.locator("ruby").all()):
        linked = [link.split("-") for link in sentence["gold"].split()]
        below = [sentence["source"].split()[int(s)] for s, t in linked if int(t) == target]
        assert ruby.locator("rt").inner_text().split() == (below or ["–"])

    gold.locator("ruby").first.hover()
    shade = "e => getComputedStyle(e).getPropertyValue('--weight')"
    assert source.locator(".word").first.evaluate(shade) == "1"
    assert source.locator(".word").last.evaluate(shade) == ""
    source.locator(".word").first.hover()
    assert gold.locator("ruby").first.evaluate(shade) == "1"

    attention = sentence["by"][1]["attention"]
    strongest = int(np.argmax(attention["weights"][0]))
    percent = round(100 * attention["weights"][0][strongest])
    assert weights.locator("rt").first.inner_text().strip() == f"{attention['source'][strongest]} {percent}"


def test_the_keyboard_does_it_all_and_the_page_grows(page: playwright.Page) -> None:
    page.locator(".sentence summary").first.focus()
    page.keyboard.press("Enter")
    playwright.expect(page.locator(".sentence .opened")).to_have_count(1)
    page.get_by_role("button", name="Show 40 more").focus()
    page.keyboard.press("Enter")
    playwright.expect(page.locator(".sentence")).to_have_count(50)
    assert page.evaluate("document.activeElement === document.querySelectorAll('.sentence summary')[10]")
    playwright.expect(page.locator(".sentence[open]")).to_have_count(1)
    for _ in range(4):
        page.locator("[data-action=more]").click()
    playwright.expect(page.locator(".sentence")).to_have_count(200)
    assert not page.locator("[data-action=more]").is_visible()


def test_members_change_places(page: playwright.Page, sentences: list[dict[str, Any]]) -> None:
    page.get_by_role("combobox", name="First", exact=True).select_option(label="additive")
    assert page.get_by_role("combobox", name="Second", exact=True).locator("option:checked").inner_text() == "fixed"
    assert page.locator(".sentence").first.locator(".name").all_inner_texts() == ["additive", "fixed"]
    page.get_by_label("Sort by").select_option(label="chrF, fixed − additive")
    assert numbers(page) == first_ten(sentences, gap)


@pytest.mark.parametrize("width", [390, 1280])
def test_hostile_text_is_text(browser: playwright.Browser, written: Path, tmp_path: Path, width: int) -> None:
    study = read_study(written)
    row = {"source_words": 3, "gold": "0-0 7-9 99999-0", "links": "0-0", "attention": None}
    rows = tuple({**row, "source": text, "reference": text, "hypothesis": text[::-1]} for text in HOSTILE)
    runs = tuple(
        replace(run, member=name, rows=rows) for run, name in zip(study.runs, (TAMPERED, HOSTILE[1]), strict=False)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explorer, "sentence_chrf", lambda *_: np.full(len(rows), np.nan))
        section = explorer.section(replace(study, members=(TAMPERED, HOSTILE[1]), runs=runs))
    report = Report("name", "Sweep", First("headline"), (), (section,), (), None)
    (tmp_path / "report.html").write_text(render_html(report, {}), encoding="utf-8")
    opened = browser.new_page(viewport={"width": width, "height": 900})
    for page in watched(opened, (tmp_path / "report.html").as_uri()):
        title = page.title()
        page.get_by_label("Sort by").select_option("")
        for summary in page.locator("#explorer summary").all():
            summary.click()
        playwright.expect(page.locator(".sentence .opened")).to_have_count(len(HOSTILE))
        assert page.locator(".sentence .source").first.text_content() == TAMPERED
        assert page.locator(".sentence .source").nth(1).text_content() == r"\u202eשלום\u202c"
        assert page.locator(".sentence .source").nth(2).text_content() == r"a\u0000b\u001b[31m"
        playwright.expect(page.locator("main img, main script")).to_have_count(2)  # the explorer's own
        assert page.title() == title
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert json.dumps(page.evaluate("document.body.innerText")).count("u202e") == page.evaluate(
            r"document.body.innerText.split('\\u202e').length - 1"
        )  # none that acts
