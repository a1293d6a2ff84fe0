"""Writes a study's report: report.html, one page that needs no network; report.md with figures; .tex, .csv, .json."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from rnnsearch.records.folders import written_aside
from rnnsearch.records.json_files import json_text
from rnnsearch.records.metrics import TITLES
from rnnsearch.records.test_sets import OWN
from rnnsearch.records.visible import visible, visible_line
from rnnsearch.study import doubts, export, findings, headline
from rnnsearch.study.blocks import Card, First, Section
from rnnsearch.study.drawers import drawn_together, helpers
from rnnsearch.study.drawing import Drawing
from rnnsearch.study.failures import attempted
from rnnsearch.study.folder import DAMAGED, Study, read_study
from rnnsearch.study.measures import is_comparison
from rnnsearch.study.planned_comparisons import verdict
from rnnsearch.study.policy import explorer_script, policy
from rnnsearch.study.remarks import Remark, by_kind
from rnnsearch.study.sections import sections
from rnnsearch.study.side_by_side import slug
from rnnsearch.study.standing import near_best
from rnnsearch.study.statistics import Comparison, compare
from rnnsearch.study.tables import in_markdown, interval, number, p_value, signed
from rnnsearch.study.test_sets import report_folder

FORMAT = 1  # of report.json
FEW = 4  # up to so many members are all reported above the sections


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that both templates render, and a sentence for each part that failed."""

    name: str
    kind: str  # Comparison | Sweep | Search
    first: First
    remarks: tuple[Remark, ...]
    sections: tuple[Section, ...]
    left_out: tuple[str, ...]
    comparison: Comparison | None

    @property
    def doubts(self) -> tuple[Remark, ...]:
        """What speaks against believing the headline."""
        return tuple(remark for remark in self.remarks if remark.level == "doubt")

    @property
    def notes(self) -> tuple[Remark, ...]:
        """What else a reader must know."""
        return tuple(remark for remark in self.remarks if remark.level == "note")


@dataclass(frozen=True, slots=True)
class Written:
    """A report on the disk.

    Attributes:
        page: its report.html.
        left_out: a sentence for each part that could not be made.
    """

    page: Path
    left_out: tuple[str, ...]


def write_report(folder: Path, *, test: str = OWN, earlier: Path | None = None) -> Written:
    """Reads a study's folder and writes report.html, .md, .tex, .csv, .json and figures/ into it.

    A part that fails is left out, with a sentence in its place. If writing fails, an earlier report stays as it was.

    Args:
        folder: of the study.
        test: the test set to report on; a report on one of the user's own has a folder in that of the study.
        earlier: a folder with an earlier report, whose unchanged figures stay; the one written into by default.
    Raises: FileNotFoundError without study.json; ValueError if that is damaged.
    """
    study, place = read_study(folder, test), report_folder(folder, test)
    with helpers(len(study.runs)) as of_many:
        report = build_report(study)
        pictures = [picture for section in report.sections for picture in section.all_pictures()]
        drawings = drawn_together(pictures, (earlier or place) / "figures", of_many)
    makers = {
        "report.md": lambda: render_markdown(report, drawings),
        "report.csv": lambda: export.as_csv(study),
        "report.tex": lambda: export.document(export.tables(study, report.comparison)),
        "report.json": lambda: as_fields(report),
        "report.html": lambda: render_html(report, drawings),
    }
    texts = {name: attempted(name, make) for name, make in makers.items()}
    with written_aside(place) as aside:
        (aside / "figures").mkdir()
        for name, drawing in drawings.items():
            if drawing.png is not None:
                (aside / "figures" / f"{name}.png").write_bytes(drawing.png)
        for name, (text, _) in texts.items():
            if text is not None:
                (aside / name).write_text(text, encoding="utf-8")
    of_drawings = [drawing.left_out for drawing in drawings.values()]
    missing = [*report.left_out, *of_drawings, *(sentence for _, sentence in texts.values())]
    return Written(place / "report.html", tuple(sentence for sentence in missing if sentence))


def build_report(study: Study) -> Report:
    """The report's content."""
    comparison, no_comparison = attempted("The comparison", lambda: compare(study))
    first, no_first = attempted("The headline", lambda: _first(study, comparison, no_comparison))
    remarks, no_doubts = attempted("What stands against believing it", lambda: doubts.remarks(study, comparison))
    built = sections(study, comparison)
    damaged = [
        f"{run.member}, seed {run.seed}, is left out: {(run.error or {}).get('message')}"
        for run in study.runs
        if run.status == DAMAGED
    ]
    missing = [no_comparison, no_first, no_doubts, *damaged]
    return Report(
        name=_name(study),
        kind=study.description.kind.capitalize(),
        first=first or First(no_first),
        remarks=(*_left_out(no_comparison if first else "", no_doubts, *damaged), *(remarks or ())),
        sections=tuple(built),
        left_out=tuple(why for why in (*missing, *(why for section in built for why in section.left_out)) if why),
        comparison=comparison,
    )


def _name(study: Study) -> str:
    """The study's name, with that of the test set if it is not the corpus's own."""
    name, tests = study.description.name or study.folder.name, {run.test_set for run in study.runs} - {OWN}
    return f"{name} on {tests.pop()}" if tests else name


def _left_out(*sentences: str) -> tuple[Remark, ...]:
    return tuple(Remark("doubt", "left_out", sentence) for sentence in sentences if sentence)


def as_fields(report: Report) -> str:
    """The headline, the notes and the doubts, for programs: JSON."""
    fields = {
        "format": FORMAT,
        "name": report.name,
        "kind": report.kind,
        "headline": report.first.headline,
        "says_nothing": report.first.says_nothing,
        **{level: [remark.as_fields() for remark in getattr(report, level)] for level in ("notes", "doubts")},
    }
    return visible(json_text(fields, indent=1)) + "\n"


def _first(study: Study, comparison: Comparison | None, no_comparison: str) -> First:
    if no_comparison:
        return First("No comparison could be made.")
    if not is_comparison(study):
        return headline.first(study, comparison, near_best(study, comparison))
    says_nothing = comparison is not None and findings.better(study, comparison)[1] < comparison.weak
    others: list[str] = []
    if comparison is not None and comparison.compared:
        leader = None if says_nothing else findings.leader(comparison)
        pairs = comparison.compared if len(study.members) <= FEW else ()
        others = [findings.finding(study, comparison, pair) for pair in pairs if pair != leader]
    cards = _cards(study, comparison) if comparison is not None and comparison.compared else ()
    return First(findings.headline(study, comparison), says_nothing, tuple(others), cards)


def render_html(report: Report, drawings: Mapping[str, Drawing]) -> str:
    """One page with style, script and figures inside, all text escaped; its policy lets a browser load nothing else."""
    environment = _environment(autoescape=True)
    environment.filters["breakable"] = _breakable
    environment.filters["by_kind"] = by_kind
    environment.filters["anchor"] = lambda title: slug(title).lower()
    widths = sorted({drawing.width for drawing in drawings.values()})
    style = Markup(environment.get_template("style.css").render(widths=widths))
    scripted = any(section.explorer for section in report.sections)
    environment.globals |= {"style": style, "policy": policy(style, scripted=scripted)}
    environment.globals["explorer_script"] = Markup(explorer_script())  # a file of the package's own
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    return environment.get_template("report.html").render(report=report, drawings=drawings)


def render_markdown(report: Report, drawings: Mapping[str, Drawing]) -> str:
    """The same content as Markdown; figures are linked relative to the study's folder."""
    environment = _environment(autoescape=False)
    environment.filters["md"] = in_markdown
    environment.filters["code"] = _code
    environment.filters["fenced"] = _fenced
    return environment.get_template("report.md").render(report=report, drawings=drawings)


def _environment(*, autoescape: bool) -> Environment:
    return Environment(
        loader=PackageLoader("rnnsearch.study", "templates"),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_visible,
    )


def _visible(value: object) -> object:
    return visible(value) if type(value) is str else value


def _cards(study: Study, comparison: Comparison) -> tuple[Card, ...]:
    """Each member's score and difference from the baseline; of many members only the baseline's and the best's."""
    leader, metric, name = findings.leader(comparison), comparison.primary, TITLES[comparison.primary]
    members = study.members if len(study.members) <= FEW else leader
    cards = [
        Card(member, number(score[metric].value), f"{name} {interval(score[metric].interval)}")
        for member, score in comparison.whole.scores.items()
        if member in members
    ]
    for pair in comparison.compared if len(study.members) <= FEW else (leader,):
        gap = comparison.whole.differences[pair][metric]
        title = "difference" if len(study.members) == 2 else " − ".join(pair)
        said = f"{p_value(gap.p_value)}, {verdict(gap)}"
        cards.append(Card(title, signed(gap.value), f"{name} {interval(gap.interval)}, {said}"))
    return tuple(cards)


def _breakable(text: str) -> Markup:
    return Markup("<wbr>").join(re.split(r"(?<=[._/=])(?=[^\W\d])", visible_line(text)))


def _code(text: object) -> str:
    line = visible_line(str(text))
    fence = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    return f"{fence} {line} {fence}" if fence != "`" else f"`{line}`"


def _fenced(text: str) -> str:
    """A block of code inside a list item."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    lines = (fence, *visible(text).split("\n"), fence)
    return "\n".join(f"  {line}".rstrip() for line in lines)
