"""How a sweep ends: the state of its points, its report, and what the same command would go on with."""

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rnnsearch.config.exit_codes import Reported
from rnnsearch.config.terminal import say
from rnnsearch.sweeps import ledger, live_table
from rnnsearch.sweeps.ledger import Point
from rnnsearch.sweeps.search_trial import say_best
from rnnsearch.sweeps.study_name import check_whole

logger = logging.getLogger(__name__)

DIVERGED_STAY = ", save those that diverged, which would do so again (to try one all the same remove its folder)"


def tell(study: Path, points: Sequence[Point], *, searched: bool, publish_to: str | None) -> None:
    """Show the points, write the report and print its path.

    Args:
        study: its folder.
        points: that the command asked for.
        searched: whether they are trials of a search, where a diverged one counts as tried.
        publish_to: a folder for what is worth committing.

    Raises:
        Reported: if points are not finished.
        ValueError: if a part of the report could not be made.
    """
    from rnnsearch.study.publish import publish  # with its figures, which take seconds to import
    from rnnsearch.study.report import write_report

    live_table.show(points, stderr=True)
    if searched:
        say_best(study)
    states = live_table.states_of(points)
    any_finished = any(state.status == "finished" for state in states.values())
    written = write_report(study) if any_finished else None
    if written:
        say(written.page)
    if written and publish_to:
        publish(study, Path(publish_to))
    diverged = [point for point in points if ledger.has_diverged(point)]
    left = [point for point in points if states[point.folder].status not in ledger.DONE]
    if searched and len(diverged) < len(points):  # its values were tried
        left = [point for point in left if point not in diverged]
    if left:
        story = Counter("diverged" if point in diverged else states[point.folder].status for point in left)
        told = ", ".join(f"{count} {status}" for status, count in story.items())
        sentence = f"{len(left)} of {len(points)} points are not finished ({told}); the same command goes on with them"
        sentence += DIVERGED_STAY if story["diverged"] else ""
        logger.error("%s", sentence)
        raise Reported(1, sentence)
    if written:
        check_whole(written)
