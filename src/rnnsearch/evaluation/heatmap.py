"""An alignment as an HTML table, for notebooks and pages: its shades suit light and dark backgrounds."""

from collections.abc import Collection, Sequence
from html import escape

from rnnsearch.evaluation.alignment_links import Link, Weights
from rnnsearch.records.visible import visible

SHADE = "rgba(230, 110, 20, {:.3f})"  # over any background
CELL = "min-width:1.6em;height:1.6em;padding:0;text-align:center;border:1px solid rgba(128,128,128,.25)"
HEAD = "min-width:0;padding:.1em .4em;font-weight:normal;border:0;background:none"
UPRIGHT = "writing-mode:vertical-rl;transform:rotate(180deg);text-align:left;vertical-align:bottom;white-space:pre"


def heatmap(
    source: Sequence[str], target: Sequence[str], weights_TS: Weights, links: Collection[Link], *, caption: str
) -> str:
    """A row a target word, a column a source word, the darker the more weight; a dot marks a link.

    Args:
        source, target: words, any text: it is escaped.
        weights_TS: [target words, source words], each from 0 to 1; shown when the pointer rests on a cell.
        links: 0-indexed (source word, target word).
        caption: stands above.
    """
    heads = "".join(f'<th scope="col" style="{HEAD};{UPRIGHT}">{_shown(word)}</th>' for word in source)
    rows = "".join(
        f'<tr><th scope="row" style="{HEAD};text-align:right;white-space:pre">{_shown(word)}</th>'
        + "".join(
            _cell(f"{word} ← {other}: {weights_TS[row, column]:.3f}", weights_TS[row, column], (column, row) in links)
            for column, other in enumerate(source)
        )
        + "</tr>"
        for row, word in enumerate(target)
    )
    return (
        '<table style="border-collapse:collapse;width:auto;color:inherit">'
        f'<caption style="text-align:left;color:inherit">{_shown(caption)}</caption>'
        f'<thead><tr><td style="border:0"></td>{heads}</tr></thead><tbody>{rows}</tbody></table>'
    )


def _cell(title: str, weight: float, is_linked: bool) -> str:
    shade = SHADE.format(min(max(weight, 0.0), 1.0))
    return f'<td title="{_shown(title)}" style="{CELL};background:{shade}">{"•" if is_linked else ""}</td>'


def _shown(text: str) -> str:
    return escape(visible(text))
