"""Comma-separated files and translation memories: columns and languages, strange ones, and what is refused."""

import gzip
import time
from pathlib import Path
from typing import Any

import pytest

from rnnsearch.data.corpus import Pair
from rnnsearch.data.csv_files import CsvCorpus
from rnnsearch.data.files import TsvCorpus
from rnnsearch.data.tmx import TmxCorpus

LANGUAGES = {"source_language": "en", "target_language": "de", "reverse": False}
HEAD = '<?xml version="1.0"?>\n'


def csv_pairs(path: Path, text: str, **changed: Any) -> list[Pair]:
    path.write_text(text, encoding="utf-8", newline="")
    given = {"train": str(path), "validation": None, "test": None, "name": "csv", "delimiter": ",", "header": False}
    columns = {"source_column": 0, "target_column": 1}
    return list(CsvCorpus(**(given | columns | LANGUAGES | changed)).pairs("train"))


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("Hello, you,Hallo\n", {"source_column": 1, "target_column": 2}),
        ('id,en,de\r\n7,"Hello, ""you""",Hallo\r\n', {"source_column": "en", "target_column": "de"}),
        ("Hello;Hallo\n", {"delimiter": ";"}),
        ('"Hello\nyou",Hallo\n', {}),
        ("en,de\nHello,Hallo\n\n", {"header": True}),
    ],
)
def test_csv(tmp_path: Path, text: str, settings: dict[str, Any]) -> None:
    (pair,) = csv_pairs(tmp_path / "a.csv", text, **settings)
    assert pair.target == "Hallo"
    assert pair.source in ("you", "Hello", 'Hello, "you"', "Hello you", " you")


def test_rows_over_several_lines_keep_their_numbers(tmp_path: Path) -> None:
    assert [pair.line for pair in csv_pairs(tmp_path / "a.csv", '"a\nb",c\n\nd,e\n')] == [1, 4]


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        (
            "en,fr\na,b\n",
            {"source_column": "en", "target_column": "de"},
            r"has no column 'de'; its header names en",
        ),
        ("a,b\nc\n", {}, r"line 2 has 1 columns, but column 1 \(from 0\) is asked for"),
        ('a,b\n"c,d\ne,f\n', {}, r"the row that begins at line 2 is not CSV .*written twice"),
        ('"a"b,c\n', {}, r"the row that begins at line 1 is not CSV"),
        ("en,de\n", {"header": True}, r"holds no rows"),
        ("", {}, r"is empty"),
        ("a,b\n", {"delimiter": ",,"}, r"data\.delimiter=',,' is no delimiter; give one character"),
    ],
)
def test_what_is_no_csv(tmp_path: Path, text: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        csv_pairs(tmp_path / "a.csv", text, **settings)


def test_a_quotation_mark_that_never_closes_takes_no_memory(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"begins at line 1 is not CSV \(field larger than field limit"):
        csv_pairs(tmp_path / "a.csv", '"' + "word word word\n" * 200_000)


def test_a_named_column_of_tsv_has_a_header(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text('de\tid\ten\nHund\t7\t"dog"\n', encoding="utf-8")
    splits: dict[str, Any] = {"train": str(path), "validation": 1, "test": None, "header": False, "name": "tsv"}
    corpus = TsvCorpus(**splits, source_column="en", target_column="de", **LANGUAGES)
    assert list(corpus.stored_pairs("train")) == [Pair('"dog"', "Hund", 2)]


def unit(**texts: str) -> str:
    variants = (f'<tuv xml:lang="{code}"><seg>{text}</seg></tuv>' for code, text in texts.items())
    return f"<tu>{''.join(variants)}</tu>"


def tmx(*units: str, doctype: str = "", more: str = "") -> str:
    return f'{HEAD}{doctype}<tmx version="1.4"{more}><header/><body>{"".join(units)}</body></tmx>'


def tmx_pairs(path: Path, content: bytes | str, **changed: Any) -> list[Pair]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    given = {"train": str(path), "validation": None, "test": None, "name": "tmx"}
    return list(TmxCorpus(**(given | LANGUAGES | changed)).pairs("train"))


PLAIN = tmx(unit(en="A dog &amp; a cat", de="Hund\n  und   Katze"), unit(fr="un", en="one"), unit(de="Eins", en="One"))
PAIRS = [Pair("A dog & a cat", "Hund und Katze", 1), Pair("One", "Eins", 3)]


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode(),
        gzip.compress(PLAIN.encode()),
        PLAIN.replace('version="1.0"', 'version="1.0" encoding="UTF-16"').encode("utf-16"),
        PLAIN.replace("<tmx", '<!DOCTYPE tmx SYSTEM "tmx14.dtd"><tmx').encode(),
        PLAIN.replace("<tmx", '<tmx xmlns="http://www.lisa.org/tmx14"').encode(),
        PLAIN.replace('xml:lang="en"', 'xml:lang="EN-us"').replace('xml:lang="de"', 'lang="de_AT"').encode(),
    ],
)
def test_tmx(tmp_path: Path, content: bytes) -> None:
    assert tmx_pairs(tmp_path / "a.tmx", content) == PAIRS
    turned = tmx_pairs(tmp_path / "a.tmx", content, reverse=True)
    assert [(pair.target, pair.source) for pair in turned] == [(pair.source, pair.target) for pair in PAIRS]


def test_another_encoding_that_the_file_declares(tmp_path: Path) -> None:
    text = tmx(unit(en="a", de="Äpfel")).replace('version="1.0"', 'version="1.0" encoding="ISO-8859-1"', 1)
    assert tmx_pairs(tmp_path / "a.tmx", text.encode("latin-1")) == [Pair("a", "Äpfel", 1)]


def test_mark_up_is_dropped_and_the_text_in_it_kept(tmp_path: Path) -> None:
    marked = 'a <hi type="b">big <ph x="1">{\\b}</ph></hi>dog<bpt i="1">&lt;b&gt;<sub>note</sub></bpt>!<!-- no -->'
    assert tmx_pairs(tmp_path / "a.tmx", tmx(unit(en=marked, de="Hund"))) == [Pair("a big dog!", "Hund", 1)]


def test_the_language_itself_goes_before_its_regions(tmp_path: Path) -> None:
    assert tmx_pairs(tmp_path / "a.tmx", tmx(f"{unit(**{'en-GB': 'colour', 'en': 'color', 'de': 'Farbe'})}")) == [
        Pair("color", "Farbe", 1)
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (tmx(unit(en="a", **{"fr-CA": "un"})), r"has no unit with both en and de; its languages are en, fr-CA: set"),
        (tmx(), r"holds no translation units"),
        (PLAIN[:-20], r"is no well-formed TMX"),
        ("a\tb\n", r"is no well-formed TMX"),
        ("", r"is no well-formed TMX"),
        (gzip.compress(PLAIN.encode())[:-15], r"the gzip file is broken"),
    ],
)
def test_what_is_no_tmx(tmp_path: Path, content: bytes | str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tmx_pairs(tmp_path / "a.tmx", content)


def test_entities_are_neither_expanded_nor_fetched(tmp_path: Path) -> None:
    bomb = "".join(f'<!ENTITY e{k} "{f"&e{k - 1};" * 10}">' for k in range(1, 12))
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    outside = f'<!ENTITY e11 SYSTEM "file://{tmp_path}/secret">'
    for declared in (f'<!ENTITY e0 "lol">{bomb}', outside):
        content = tmx(unit(en="a &e11;", de="b"), doctype=f"<!DOCTYPE tmx [{declared}]>")
        begun = time.perf_counter()
        with pytest.raises(ValueError, match=r"uses the entity &e11;, which is not read|is no well-formed TMX"):
            tmx_pairs(tmp_path / "a.tmx", content)
        assert time.perf_counter() - begun < 2


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"is no well-formed TMX"):
        tmx_pairs(tmp_path / "a.tmx", tmx(unit(en="<hi>" * 5000 + "</hi>" * 5000, de="b")))
