"""Parallel corpora in TMX 1.4 (Translation Memory eXchange), read unit by unit by lxml, whatever the file's size.

Entities that a file declares are neither read from elsewhere nor expanded: a file that uses one is refused.
"""

import io
import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree

from rnnsearch.data.corpus import Pair
from rnnsearch.data.files import TableCorpus
from rnnsearch.data.lines import check_file
from rnnsearch.data.readable import CHUNK, decompressed

logger = logging.getLogger(__name__)

LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
CODES = ("bpt", "ept", "it", "ph", "ut")
"""Elements that hold the mark-up of another program rather than text."""


class TmxCorpus(TableCorpus):
    """One TMX file a split; of each unit the texts in `source_language` and `target_language` are a pair.

    en is also the language of segments in en-GB where there are none in en; units without both languages are left
    out. Mark-up within a segment is dropped, and line breaks become blanks.
    """

    def _rows(self, path: Path) -> Iterator[Pair]:
        wanted = [self._language(f"{side}_language") for side in ("source", "target")]
        languages: Counter[str] = Counter()
        number = pairs = 0
        for number, segments in enumerate(_units(path), start=1):
            languages.update(segments.keys())
            source, target = (_in_language(segments, language) for language in wanted)
            if source is not None and target is not None:
                pairs += 1
                yield Pair(source=source, target=target, line=number)
        if not pairs:
            there = ", ".join(sorted(languages)) or "none"
            raise ValueError(
                f"{path} has no unit with both {' and '.join(wanted)}; its languages are {there}: set "
                "data.source_language and data.target_language to two of them"
            )
        if pairs < number:
            logger.info("%s: %d of %d units lack %s", path, number - pairs, number, " or ".join(wanted))

    def _taken(self, side: str) -> str:
        return self._language(f"{side}_language")


def _in_language(segments: dict[str, str], language: str) -> str | None:
    wanted = language.lower().replace("_", "-")
    codes = {code.lower().replace("_", "-"): code for code in reversed(segments)}
    near = [code for code in reversed(codes) if code == wanted or code.startswith(f"{wanted}-")]
    return segments[codes[min(near, key=len)]] if near else None


def _units(path: Path) -> Iterator[dict[str, str]]:
    """The texts of each translation unit by their languages. Raises ValueError for what is no TMX."""
    check_file(path)
    has_units = False
    with io.BufferedReader(io.FileIO(path), CHUNK) as raw_file:
        try:
            events = etree.iterparse(
                decompressed(raw_file)[1], tag="{*}tu", resolve_entities=False, no_network=True, load_dtd=False
            )
            for _, unit in events:
                has_units = True
                yield _segments(unit, path)
                _forget(unit)
        except etree.XMLSyntaxError as error:
            raise ValueError(f"{path} is no well-formed TMX ({error.msg}); export it again") from error
    if not has_units:
        raise ValueError(f"{path} holds no translation units (tu); give a TMX file")


def _segments(unit: Any, path: Path) -> dict[str, str]:
    segments: dict[str, str] = {}
    for variant in unit.iterfind("{*}tuv"):
        language, segment = variant.get(LANGUAGE) or variant.get("lang"), variant.find("{*}seg")
        if language and segment is not None:
            segments.setdefault(language, " ".join("".join(_texts(segment, path)).split()))
    return segments


def _texts(element: Any, path: Path) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        if child.tag is etree.Entity:
            raise ValueError(
                f"{path}: line {child.sourceline} uses the entity {child.text}, which is not read; spell it out"
            )
        if isinstance(child.tag, str) and etree.QName(child).localname not in CODES:
            yield from _texts(child, path)
        yield child.tail or ""


def _forget(unit: Any) -> None:
    """Free a unit and what comes before it, so that memory holds one unit."""
    unit.clear()
    while unit.getprevious() is not None:
        del unit.getparent()[0]
