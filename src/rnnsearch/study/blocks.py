"""What a report's sections are made of: plain blocks, which both templates (HTML and Markdown) render."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from rnnsearch.study.tables import Table


@dataclass(frozen=True, slots=True)
class Card:
    """A number that the reader should see first."""

    name: str
    value: str
    detail: str


@dataclass(frozen=True, slots=True)
class First:
    """The top of the report."""

    headline: str
    says_nothing: bool = False
    others: tuple[str, ...] = ()  # findings on the members that the headline leaves out
    cards: tuple[Card, ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure that is still to be drawn, with its file name and its caption."""

    name: str
    caption: str
    draw: Callable[[], Figure]
    wide: bool = False  # a figure of many panels: takes the page's whole width
    shades: bool = False  # its shades stand for numbers, so that they stay as they are on a dark page


@dataclass(frozen=True, slots=True)
class Group:
    """Pictures that are looked at side by side, under a heading of their own."""

    title: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """One test sentence with each member's translation and its sentence-level chrF."""

    label: str
    source: str
    reference: str
    translations: tuple[tuple[str, str, str], ...]  # member, text, chrF


@dataclass(frozen=True, slots=True)
class Fold:
    """Details behind one line, which a reader opens; Markdown shows the line and the fold's own facts."""

    summary: str
    state: str = ""  # a word after the summary
    alarm: bool = False  # the state is one that the reader should notice
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
    facts: tuple[tuple[str, tuple[str, ...]], ...] = ()  # name, values
    own: frozenset[str] = frozenset()  # names of the facts that Markdown keeps; the others stand in the section's
    code: str = ""  # a traceback


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what follows it, in this order."""

    title: str
    text: tuple[str, ...] = ()
    terms: tuple[tuple[str, tuple[str, ...]], ...] = ()  # name, sentences
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    groups: tuple[Group, ...] = ()
    examples: tuple[Example, ...] = ()
    facts: tuple[tuple[str, tuple[str, ...]], ...] = ()  # name, values
    folds: tuple[Fold, ...] = ()
    explorer: Mapping[str, Any] | None = None  # what the page's script shows; Markdown has no such section
    notes: tuple[str, ...] = ()  # small print, last
    left_out: tuple[str, ...] = ()  # a sentence for each part that could not be made

    @property
    def empty(self) -> bool:
        """Whether there is nothing under the heading."""
        return self == Section(self.title)

    def all_pictures(self) -> tuple[Picture, ...]:
        """Its pictures, and those of its groups and folds."""
        parts = [*(group.pictures for group in self.groups), *(fold.pictures for fold in self.folds)]
        return self.pictures + tuple(picture for of_part in parts for picture in of_part)
