"""``python -m experiments.fill``: fills in the figures that README.md, docs/ and experiments/ quote.

A figure stands between two comments, which readers do not see: a look-up of `experiments.figures` with its words, and
perhaps a template after " : ", in which {name:format} is a figure of the look-up:

    attention gains <!--= gain fixed_vs_attention_multi30k additive fixed : {value:.1f} -->12.4<!--/--> BLEU

``!m`` before the format divides by a million, ``!p`` makes per cent, ``!a`` leaves out the sign, ``!c`` makes a ratio's
change in per cent. No mark begins a line, where Markdown would take it for a block.
"""

import argparse
import json
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from string import Formatter
from typing import Any

from experiments.figures import COMPARED, LOOKUPS, ROOT, NoFigure, compared, digest, studies
from rnnsearch.records.json_files import write_json, write_text

PAGES = (
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "experiments").glob("**/README.md")),
)
MARK = re.compile(r"(<!--= (?P<words>[^\n]*?)(?: : (?P<template>[^\n]*?))? -->)(?P<shown>[^\n]*?)(<!--/-->)")
RANGE = "{low:.1f} to {high:.1f}"
TEMPLATES = {
    "score": "{mean:.1f}",
    "scores": RANGE,
    "gain": "{value:.1f} [{low:.1f}, {high:.1f}]",
    "equivalent": "[{low:.1f}, {high:.1f}]",
    "gains": RANGE,
    "ratios": RANGE,
    "slope": "{value:.1f} [{low:.1f}, {high:.1f}]",
    "record": "{value:,.0f}",
    "runs": "{value}",
    "value": "{value}",
    "row": "{value:.1f}",
}
CONVERSIONS: dict[str, Callable[[float], float]] = {
    "m": lambda x: x / 1e6,
    "p": lambda x: x * 100,
    "a": abs,
    "c": lambda x: (x - 1) * 100,
}


class Template(Formatter):
    """Format strings with the conversions above."""

    def convert_field(self, value: Any, conversion: Any) -> Any:
        return CONVERSIONS[conversion](value) if conversion in CONVERSIONS else super().convert_field(value, conversion)


def figure(words: str, template: str | None) -> str:
    """What a mark shows.

    Raises: NoFigure where the look-up, or what the template names, is not there.
    """
    name, *rest = shlex.split(words)
    if name not in LOOKUPS:
        raise NoFigure(f"there is no look-up {name}; choose one of {', '.join(LOOKUPS)}")
    found = LOOKUPS[name](*rest)
    try:
        return Template().vformat(template or TEMPLATES[name], (), found).replace("-", "−")
    except (KeyError, TypeError) as error:
        raise NoFigure(f"{template or TEMPLATES[name]} asks for more than {dict(found)} ({error})") from None


def filled(text: str) -> str:
    """A page with every figure as it is now.

    Raises: NoFigure for a mark that can't be read, begins a line or has no figure.
    """
    if text.count("<!--=") != len(MARK.findall(text)):
        raise NoFigure("a mark is not closed: write <!--= LOOK-UP : TEMPLATE -->...<!--/--> on one line")
    if begins := re.search(r"^[ >]*<!--=.*", text, re.MULTILINE):
        raise NoFigure(f"a mark begins a line, where Markdown takes it for a block: {begins[0][:60]}")

    def replaced(match: re.Match[str]) -> str:
        try:
            return f"{match[1]}{figure(match['words'], match['template'])}{match[5]}"
        except (NoFigure, TypeError) as error:
            raise NoFigure(f"{match['words']}: {error}") from None

    return MARK.sub(replaced, text)


def stale() -> Iterator[str]:
    """The studies whose part of compared.json was made of other files, or is missing."""
    known = json.loads(COMPARED.read_text(encoding="utf-8")) if COMPARED.is_file() else {}
    yield from (name for name in studies() if known.get(name, {}).get("sha256") != digest(name))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--anew", action="store_true", help="resample studies that have not changed, too (minutes)")
    anew = studies() if parser.parse_args().anew else list(stale())
    known = json.loads(COMPARED.read_text(encoding="utf-8")) if COMPARED.is_file() else {}
    known |= {name: compared(name) for name in anew}
    write_json(COMPARED, {name: known[name] for name in studies()})
    for page in PAGES:
        try:
            before, after = page.read_text(encoding="utf-8"), filled(page.read_text(encoding="utf-8"))
        except NoFigure as error:
            print(f"{page.relative_to(ROOT)}: {error}", file=sys.stderr)
            return 1
        if before != after:
            write_text(page, after)
            print(f"filled in: {page.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
