"""Fonts for the characters that DejaVu Sans lacks: of the extra `fonts`, else of those on the system.

matplotlib looks up each letter in the fonts that a text names, shapes what they hold (HarfBuzz, through libraqm) and
sets it in the direction of its script. What no font holds would be a box: a warning names it, and it is never drawn.
"""

import importlib.util
import logging
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from unicodedata import category, name

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

logger = logging.getLogger(__name__)

BASE = "DejaVu Sans"  # has Greek, Cyrillic, Arabic and Hebrew; comes with matplotlib
PACKAGES = ("manimgx_fonts", "noto_cjk_sans_jp_regular")  # of the extra
UNDRAWN = ("Cc", "Cf", "Cn", "Co", "Zs", "Zl", "Zp")  # categories of characters without a shape of their own
SELECTORS = range(0xFE00, 0xFE10)  # choose among the shapes of the character before them
SHOWN = 5  # characters that a warning quotes


def fit(figure: Figure) -> str:
    """Give a figure's texts the fonts that they need; return the characters that no font has, and warn of them once."""
    texts = [text.get_text() for axes in figure.axes for text in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    texts += [text.get_text() for text in figure.findobj(Text)]
    lacking = lacked("".join(texts))
    if not lacking:
        return ""
    families, missing = families_for(lacking)
    for text in figure.findobj(Text):
        text.set_fontfamily([BASE, *families])
    for axes in figure.axes:
        axes.tick_params(labelfontfamily=[BASE, *families])
    for script in sorted({_script(letter) for letter in missing}):
        _say_missing(script, "".join(sorted(letter for letter in missing if _script(letter) == script))[:SHOWN])
    return "".join(sorted(missing))


def lacked(text: str) -> frozenset[str]:
    """The characters of a text that the base font cannot draw."""
    if text.isascii():
        return frozenset()
    has = _characters(Path(font_manager.findfont(BASE)))
    seen = {letter for letter in set(text) if category(letter) not in UNDRAWN and ord(letter) not in SELECTORS}
    return frozenset(letter for letter in seen if letter not in has)


@cache
def families_for(lacking: frozenset[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Families of the fewest fonts that draw most of the characters, and the characters that no font has."""
    left, families = set(lacking), []
    while left:
        best = max(_fonts(), key=lambda path: len(left & _characters(path)), default=None)
        if best is None or not left & _characters(best):
            break
        left -= _characters(best)
        font_manager.fontManager.addfont(best)
        families.append(FT2Font(best).family_name)
    return tuple(families), frozenset(left)


@cache
def _fonts() -> tuple[Path, ...]:
    """The files of all fonts, plain ones first; fontconfig, if installed, names those of the system."""
    packaged = [path for package in PACKAGES for path in sorted(_files(package))]
    system = map(Path, font_manager.findSystemFonts())
    return (*packaged, *sorted((path for path in system if "Color" not in path.name), key=_order))


def _files(package: str) -> Iterator[Path]:
    spec = importlib.util.find_spec(package)
    for place in (spec.submodule_search_locations or []) if spec else []:
        yield from (path for path in Path(place).iterdir() if path.suffix in (".ttf", ".otf", ".ttc"))


def _order(path: Path) -> tuple[bool, bool, bool, str]:
    plain = "-" not in path.stem or path.stem.endswith("Regular")
    return ("Noto" not in path.name, "Serif" in path.name or "Mono" in path.name, not plain, path.name)


@cache
def _characters(path: Path) -> frozenset[str]:
    try:
        return frozenset(map(chr, FT2Font(path).get_charmap()))
    except (OSError, RuntimeError):  # what FreeType raises for a file that it cannot read
        return frozenset()


def _script(letter: str) -> str:
    return name(letter, "unnamed characters").split(" ")[0].split("-")[0].capitalize()


@cache
def _say_missing(script: str, examples: Collection[str]) -> None:
    logger.warning(
        "no font here has %s characters (%s): report.html leaves figures with them to the reader's fonts, report.md is "
        "without these figures; pip install 'rnnsearch[fonts]' brings fonts (on Debian, apt-get install fonts-noto)",
        script.upper() if script == "Cjk" else script,
        " ".join(examples),
    )
