"""Writes a study's report: report.html, one page that needs no network; report.md with figures/*.png; .tex and .csv."""

import base64
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from rnnsearch.records import written_aside
from rnnsearch.study import export, findings
from rnnsearch.study.blocks import Section
from rnnsearch.study.figures import save_png, svg
from rnnsearch.study.folder import Study, read_study
from rnnsearch.study.measures import TITLES
from rnnsearch.study.sections import sections
from rnnsearch.study.side_by_side import slug
from rnnsearch.study.statistics import Comparison, compare
from rnnsearch.study.tables import interval, number, p_value, signed
from rnnsearch.visible import visible, visible_line

_MARKDOWN = re.compile(r"([\\`*_<|~$&]|\](?=[(\[:]))")  # what starts markup inside a line or a table
_PIXELS_A_POINT = 96 / 72
POLICY = "default-src 'none'; img-src data:; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'"
FEW = 4  # members that are all told of above the sections


@dataclass(frozen=True, slots=True)
class Card:
    """A number that the reader should see first."""

    name: str
    value: str
    detail: str


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that both templates render."""

    name: str
    kind: str  # Comparison | Sweep | Search
    headline: str
    says_nothing: bool
    others: tuple[str, ...]  # findings on the members that the headline leaves out
    doubts: tuple[str, ...]
    cards: tuple[Card, ...]
    sections: tuple[Section, ...]


def write_report(folder: Path) -> Path:
    """Reads a study's folder, writes report.html, .md, .tex, .csv and figures/ into it, and returns the page's path.

    Where that fails, an earlier report stays as it was.

    Raises: FileNotFoundError without study.json; ValueError when its runs can't be compared.
    """
    study = read_study(folder)
    comparison = compare(study)
    report = build_report(study, comparison)
    pictures = [picture for section in report.sections for picture in section.all_pictures()]
    texts = {
        "report.md": render_markdown(report),
        "report.csv": export.as_csv(study),
        "report.tex": export.document(export.tables(study, comparison)),
        "report.html": render_html(report),
    }
    with written_aside(folder) as aside:
        (aside / "figures").mkdir()
        for picture in pictures:
            save_png(picture.figure, aside / "figures" / f"{picture.name}.png")
        for name, text in texts.items():
            (aside / name).write_text(text, encoding="utf-8")
    return folder / "report.html"


def build_report(study: Study, comparison: Comparison | None) -> Report:
    """The report's content."""
    says_nothing = comparison is not None and findings.better(study, comparison)[1] < comparison.weak
    others: list[str] = []
    if comparison is not None and comparison.compared:
        leader = None if says_nothing else findings.leader(study, comparison)
        told = comparison.compared if len(study.members) <= FEW else ()
        others = [findings.finding(study, comparison, member) for member in told if member != leader]
    return Report(
        name=str(study.description.get("name", study.folder.name)),
        kind=str(study.description.get("kind", "comparison")).capitalize(),
        headline=findings.headline(study, comparison),
        says_nothing=says_nothing,
        others=tuple(others),
        doubts=tuple(findings.doubts(study, comparison)),
        cards=_cards(study, comparison) if comparison is not None and comparison.compared else (),
        sections=tuple(sections(study, comparison)),
    )


def render_html(report: Report) -> str:
    """One page: style and figures inside, all text escaped; a browser takes this style and nothing else from it."""
    environment = _environment(autoescape=True)
    environment.filters["breakable"] = _breakable
    environment.filters["anchor"] = lambda title: slug(title).lower()
    pictures = [picture for section in report.sections for picture in section.all_pictures()]
    images = {picture.name: _picture(picture.figure) for picture in pictures}
    widths = sorted({image["width"] for image in images.values()})
    style = Markup(environment.get_template("style.css").render(widths=widths))
    policy = POLICY.format(base64.b64encode(hashlib.sha256(style.encode()).digest()).decode())
    return environment.get_template("report.html").render(report=report, images=images, style=style, policy=policy)


def render_markdown(report: Report) -> str:
    """The same content as Markdown; figures are linked relative to the study's folder."""
    environment = _environment(autoescape=False)
    environment.filters["md"] = _markdown
    environment.filters["code"] = _code
    environment.filters["fenced"] = _fenced
    return environment.get_template("report.md").render(report=report)


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
    """Each member's score and difference from the baseline; of many members those of the baseline and the best."""
    best, metric, name = findings.leader(study, comparison), comparison.metric, TITLES[comparison.metric]
    shown = study.members if len(study.members) <= FEW else (study.baseline, best)
    found = [
        Card(member, number(score[metric].value), f"{name} {interval(score[metric].interval)}")
        for member, score in comparison.whole.scores.items()
        if member in shown
    ]
    for member, differences in comparison.whole.differences.items():
        if member not in shown or member not in comparison.compared:
            continue
        gap = differences[metric]
        title = "difference" if len(study.members) == 2 else f"{member} − {study.baseline}"
        found.append(Card(title, signed(gap.value), f"{name} {interval(gap.interval)}, {p_value(gap.p_value)}"))
    return tuple(found)


def _picture(figure: Figure) -> dict[str, str | int]:
    drawn = svg(figure)
    width = re.search(r'<svg [^>]*?width="([0-9.]+)pt"', drawn, re.DOTALL)
    assert width is not None, "matplotlib writes the width in points"
    encoded = base64.b64encode(drawn.encode()).decode()
    return {"source": f"data:image/svg+xml;base64,{encoded}", "width": round(float(width[1]) * _PIXELS_A_POINT)}


def _breakable(text: str) -> Markup:
    return Markup("<wbr>").join(re.split(r"(?<=[._/=])(?=[^\W\d])", visible_line(text)))


def _markdown(text: object) -> str:
    return _MARKDOWN.sub(r"\\\1", visible(str(text))).replace("\n", " ")


def _code(text: object) -> str:
    shown = visible_line(str(text))
    fence = "`" * (max((len(run) for run in re.findall("`+", shown)), default=0) + 1)
    return f"{fence} {shown} {fence}" if fence != "`" else f"`{shown}`"


def _fenced(text: str) -> str:
    """A block of code inside an item of a list."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    lines = (fence, *visible(text).split("\n"), fence)
    return "\n".join(f"  {line}".rstrip() for line in lines)
