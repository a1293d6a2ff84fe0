"""What the page answers, to whom, and what it refuses."""

import asyncio
import html
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from urllib.parse import quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient
from tests.page.conftest import LIMITS, FakeModel

from rnnsearch.page.app import MAX_BODY, fields, make_app
from rnnsearch.page.limits import Asked, Busy, Limits, Queue

SENTENCE = {"text": "the dog sleeps", "beam_size": "4", "alternatives": "2"}


class Reader(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def words(self, side: str) -> list[dict[str, str | None]]:
        return [a for _, a in self.elements if f"data-{side}" in a and "word" in (a.get("class") or "")]


def test_the_empty_page_has_a_form_and_names_the_runs(limits: Limits) -> None:
    page = TestClient(make_app({"first": FakeModel(), "second": FakeModel()}, limits), base_url="http://localhost").get(
        "/"
    )
    assert page.status_code == 200
    read = Reader(page.text)
    assert ("html", {"lang": "en"}) in read.elements
    fields_ = {a["name"]: a for tag, a in read.elements if tag in ("input", "textarea")}
    assert set(fields_) == {"text", "beam_size", "alternatives"}
    assert (fields_["beam_size"]["value"], fields_["beam_size"]["max"]) == ("4", "6")
    assert "first" in read.text
    assert "second" in read.text
    assert "100 characters" in read.text


def test_everything_comes_from_the_page_itself(client: TestClient) -> None:
    read = Reader(client.get("/").text)
    addresses = [a[key] for _, a in read.elements for key in ("src", "href", "action") if key in a]
    assert sorted(addresses) == ["/", "/static/icon.svg", "/static/page.js", "/static/style.css"]
    for address in addresses[1:]:
        answer = client.get(str(address)) if address != "/" else client.get("/")
        assert answer.status_code == 200
    assert "http" not in client.get("/static/style.css").text
    assert not [a for _, a in read.elements if "style" in a or any(key.startswith("on") for key in a)]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/static/page.js", 200),
        ("GET", "/absent", 404),
        ("PUT", "/", 405),
        ("POST", "/", 422),
    ],
)
def test_every_answer_has_the_headers_that_keep_the_browser_in(
    client: TestClient, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert len(answer.headers.get_list("content-security-policy")) == 1


def test_a_translation_with_alternatives_scores_and_links(client: TestClient, model: FakeModel) -> None:
    answer = client.post("/results", data=SENTENCE)
    assert answer.status_code == 200
    assert model.asked == [{"texts": ["the dog sleeps"], "alignments": True, "beam_size": 4, "n_best": 2}]
    assert "<html" not in answer.text
    read = Reader(answer.text)
    assert "score −0.50 · log p −1.25" in read.text
    assert "score −1.50 · log p −2.25" in read.text
    assert "Attention weights, in percent" in read.text
    assert "SLEEPS DOG THE!" in read.text
    assert [a["data-links"] for a in read.words("source")] == 2 * ["2", "1", "0"]
    assert [a["title"] for a in read.words("target")][:3] == ["linked to: sleeps", "linked to: dog", "linked to: the"]
    cells = [a.get("class") for tag, a in read.elements if tag == "td" and a.get("class")]
    assert cells == 2 * ["w0", "w0", "w15 linked", "w0", "w15 linked", "w0", "w15 linked", "w0", "w0"]
    assert answer.text.count(">75</td>") == 6


def test_without_scripts_the_whole_page_comes_back_with_what_was_typed(client: TestClient) -> None:
    answer = client.post("/", data={**SENTENCE, "text": "\n a  <b>dog</b> ", "alternatives": "1"})
    assert "<html" in answer.text
    read = Reader(answer.text)
    assert "\n a  <b>dog</b> " in read.text
    assert "<B>DOG</B> A" in read.text.replace("\n", " ")


def test_runs_stand_side_by_side_and_saliency_is_named(limits: Limits) -> None:
    models = {"with": FakeModel(), "without": FakeModel(method="saliency")}
    answer = TestClient(make_app(models, limits), base_url="http://127.0.0.1").post("/results", data=SENTENCE)
    with_, without = answer.text.split("<section")[1:]
    assert "Attention weights" in with_
    assert "saliency" not in with_
    assert "Gradient saliency (this model has no attention)" in without
    assert "Attention weights" not in without


def test_a_single_run_is_asked_for_no_more_translations_than_its_beam(client: TestClient, model: FakeModel) -> None:
    client.post("/results", data={"text": "a", "beam_size": "2", "alternatives": "5"})
    assert (model.asked[0]["beam_size"], model.asked[0]["n_best"]) == (2, 2)


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }} {% raw %}",
    "</textarea><script>x</script>",
    "&lt;b&gt;",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("path", ["/", "/results"])
def test_text_is_never_markup(limits: Limits, text: str, path: str) -> None:
    client = TestClient(make_app({text: FakeModel()}, limits), base_url="http://localhost")
    answer = client.post(path, data={"text": text})
    plain = client.post(path, data={"text": " ".join("x" for _ in text.split())})
    assert answer.status_code == 200
    ours, theirs = Reader(answer.text), Reader(plain.text)
    assert [tag for tag, _ in ours.elements] == [tag for tag, _ in theirs.elements]
    assert [sorted(a) for _, a in ours.elements] == [sorted(a) for _, a in theirs.elements]
    assert text.split()[0] in ours.text
    assert "49" not in ours.text


def test_text_in_a_refusal_is_never_markup(client: TestClient) -> None:
    answer = client.post("/results", data={"text": "a", "beam_size": "<b>9"})
    assert answer.status_code == 422
    assert "&lt;b&gt;9" in answer.text
    assert "from 1 to 6" in answer.text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\0b", "a\\u0000b"),
        ("a\x1b[31mb\x7f", "a\\u001b[31mb\\u007f"),
        ("\u202eabc\u2069", "\\u202eabc\\u2069"),
        ("\x9b1m", "\\u009b1m"),
        ("שלום עולם", "שלום"),
        ("👩‍👧 é", "👩‍👧"),
    ],
)
def test_what_can_not_be_seen_is_shown(client: TestClient, text: str, shown: str) -> None:
    answer = client.post("/results", data={"text": text})
    assert answer.status_code == 200
    assert shown in Reader(answer.text).text
    assert not set(answer.text) & set("\0\x1b\x7f\u202e\u2069\x9b")


def test_a_model_may_write_what_is_no_text(client: TestClient, model: FakeModel) -> None:
    def hypothesis(text: str, number: int) -> object:
        return FakeModel.hypothesis(model, "\ud800 \0", number)

    model.hypothesis = hypothesis
    answer = client.post("/results", data={"text": "a b"})
    assert answer.status_code == 200
    assert "\\ud800" in answer.text


ANY = TestClient(make_app({"one": FakeModel()}, Limits(**LIMITS)), base_url="http://localhost")


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=60), st.text(max_size=5))
def test_any_text_gets_a_page(text: str, number: str) -> None:
    body = f"text={quote_plus(text, errors='surrogatepass')}&beam_size={quote_plus(number, errors='surrogatepass')}"
    answer = ANY.post("/", content=body.encode())
    assert answer.status_code in (200, 422)
    read = Reader(answer.text)
    assert (answer.status_code == 422) == ("alert" in {a.get("role") for _, a in read.elements})


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    assert ANY.post("/results", content=body).status_code in (200, 422)


def test_invalid_utf8_is_replaced() -> None:
    assert fields(b"text=a%ff%c3%a9\xff&x=") == {"text": "a\ufffdé\ufffd", "x": ""}


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({}, "type a sentence"),
        ({"text": " \n\t "}, "type a sentence"),
        ({"text": "x" * 101}, "has 101 characters; this page takes up to 100"),
        ({"text": "x " * 9}, "has 9 words; this page takes up to 8"),
        ({"text": "a", "beam_size": "0"}, "beam size is a whole number from 1 to 6, not '0'"),
        ({"text": "a", "beam_size": "7"}, "not '7'"),
        ({"text": "a", "beam_size": "²"}, "not '²'"),
        ({"text": "a", "beam_size": "9" * 5000}, "not '99999999999999999999'"),
        ({"text": "a", "alternatives": "-1"}, "number of translations is a whole number from 1 to 6"),
        ({f"field{i}": "x" for i in range(30)}, "fields"),
    ],
)
def test_what_is_not_allowed_is_refused_in_the_page(
    client: TestClient, model: FakeModel, form: dict[str, str], sentence: str
) -> None:
    for path in ("/", "/results"):
        answer = client.post(path, data=form)
        assert answer.status_code == 422
        assert sentence in html.unescape(answer.text)
        assert 'role="alert"' in answer.text
    assert model.asked == []


def test_the_longest_sentence_is_taken_whatever_its_letters(model: FakeModel) -> None:
    limits = Limits(**{**LIMITS, "max_characters": 20_000})
    client = TestClient(make_app({"one": model}, limits), base_url="http://localhost")
    assert client.post("/results", data={"text": "😀" * 20_000}).status_code == 200


def test_a_body_far_beyond_any_sentence_is_not_even_read(client: TestClient) -> None:
    assert client.post("/results", content=b"text=" + b"x" * (MAX_BODY + 5000)).status_code == 413

    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b"x" * 2**16

    assert client.post("/results", content=endless()).status_code == 413


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "localhost.evil", "10.0.0.1"]
)
def test_another_name_for_this_machine_is_refused(client: TestClient, model: FakeModel, host: str) -> None:
    for method, path in (("GET", "/"), ("POST", "/results"), ("GET", "/static/page.js")):
        answer = client.request(method, path, headers={"host": host}, data=SENTENCE)
        assert answer.status_code == 400
        assert "content-security-policy" in answer.headers
    assert model.asked == []


@pytest.mark.parametrize("host", ["localhost", "localhost:7860", "127.0.0.1:1", "[::1]:7860", "LOCALHOST"])
def test_this_machine_s_own_names_are_answered(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code == 200


def test_other_names_are_answered_where_they_are_given(limits: Limits) -> None:
    client = TestClient(make_app({"one": FakeModel()}, limits, hosts=["my.host.org"]))
    assert client.get("/", headers={"host": "my.host.org:80"}).status_code == 200
    assert client.get("/", headers={"host": "localhost"}).status_code == 400


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://127.0.0.1:7860.evil", "http://["]
)
def test_a_form_of_another_site_is_refused(client: TestClient, model: FakeModel, origin: str) -> None:
    assert client.post("/", data=SENTENCE, headers={"origin": origin}).status_code == 403
    assert model.asked == []


@pytest.mark.parametrize("site", ["cross-site", "same-site", "nonsense", ""])
def test_what_another_site_makes_a_browser_ask_for_is_refused(client: TestClient, model: FakeModel, site: str) -> None:
    for method, path in (("GET", "/"), ("HEAD", "/"), ("POST", "/"), ("POST", "/results"), ("GET", "/static/page.js")):
        answer = client.request(method, path, data=SENTENCE, headers={"sec-fetch-site": site})
        assert answer.status_code == 403
        assert "content-security-policy" in answer.headers
        assert method == "HEAD" or "open the page by its own address" in answer.text
    twice = [("sec-fetch-site", "same-origin"), ("sec-fetch-site", site)]
    assert client.request("POST", "/results", data=SENTENCE, headers=twice).status_code == 403
    assert model.asked == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}, 200),
        ({"sec-fetch-site": "same-site", "sec-fetch-mode": "navigate"}, 200),  # a link in the index of reports
        ({"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"}, 403),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 403),
    ],
)
def test_links_of_this_machine_s_own_pages_are_followed(
    client: TestClient, headers: dict[str, str], status: int
) -> None:
    assert client.get("/", headers=headers).status_code == status


def test_the_page_s_own_form_is_taken(client: TestClient) -> None:
    assert client.post("/", data=SENTENCE, headers={"origin": "http://127.0.0.1:7860"}).status_code == 200


def test_a_model_s_refusal_is_told(client: TestClient, model: FakeModel) -> None:
    def refuse() -> None:
        raise ValueError("search.beam_size=4: <too> wide")

    model.before = refuse
    answer = client.post("/results", data=SENTENCE)
    assert answer.status_code == 422
    assert "&lt;too&gt; wide" in answer.text


@pytest.mark.parametrize("path", ["/", "/results"])
def test_our_own_mistake_is_a_sentence_without_a_traceback(client: TestClient, model: FakeModel, path: str) -> None:
    def fail() -> None:
        raise RuntimeError("secret detail")

    model.before = fail
    answer = client.post(path, data=SENTENCE)
    assert answer.status_code == 500
    assert "Something went wrong" in answer.text
    assert "secret" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert ("<html" in answer.text) == (path == "/")
    model.before = lambda: None
    assert client.post(path, data=SENTENCE).status_code == 200


@pytest.mark.slow
def test_one_translation_at_a_time_and_few_wait(model: FakeModel, limits: Limits) -> None:
    """One is made, max_waiting wait, the rest is told to come back; then all is as before."""
    gate, at_once, most = threading.Semaphore(0), 0, 0

    def work() -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        gate.acquire(timeout=20)
        at_once -= 1

    model.before = work
    with (
        TestClient(make_app({"one": model}, limits), base_url="http://localhost") as client,
        ThreadPoolExecutor(12) as pool,
    ):
        sent = [pool.submit(client.post, "/results", data=SENTENCE) for _ in range(12)]
        refused = [future for future in sent if _done(future)]
        assert len(refused) == 12 - 1 - limits.max_waiting
        assert {future.result().status_code for future in refused} == {503}
        assert all("try again" in future.result().text for future in refused)
        assert client.get("/").status_code == 200
        gate.release(20)
        assert [f.result().status_code for f in sent].count(200) == 1 + limits.max_waiting
        assert most == 1
        assert client.post("/results", data=SENTENCE).status_code == 200


def _done(future: object) -> bool:
    """Whether it is answered within a second."""
    try:
        future.result(timeout=1)
    except TimeoutError:
        return False
    return True


async def here() -> bool:
    return False


def test_who_has_left_is_not_waited_for() -> None:
    async def left() -> bool:
        return True

    with pytest.raises(Busy):
        asyncio.run(Queue(1).run(pytest.fail, left))


def test_the_queue_keeps_the_order_and_forgets_failures() -> None:
    async def main() -> list[int]:
        queue, order = Queue(5), []
        with pytest.raises(ZeroDivisionError):
            await queue.run(lambda: 1 // 0, here)
        await asyncio.gather(*(queue.run(lambda i=i: order.append(i), here) for i in range(6)))
        with pytest.raises(Busy):
            await asyncio.gather(*(queue.run(lambda: None, here) for _ in range(7)))
        return order

    assert asyncio.run(main()) == list(range(6))


@pytest.mark.parametrize(("name", "value"), [("beam_size", 7), ("alternatives", 0)])
def test_defaults_above_what_may_be_asked_are_refused(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{name}={value}: give a whole number from 1 to max_beam_size=6"):
        Limits(**{**LIMITS, name: value})


def test_the_words_are_parted_by_single_blanks(limits: Limits) -> None:
    assert Asked.of({"text": "\r\n a \t b\u2003c "}, limits) == Asked("a b c", 4, 3)
