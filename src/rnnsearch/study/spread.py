"""What a reader must know of chance: what the intervals cover, how many seeds there are, how far they lie apart."""

from collections.abc import Sequence

from rnnsearch.records.metrics import TITLES
from rnnsearch.study.remarks import Remark, listed
from rnnsearch.study.statistics import Comparison, shared_seeds
from rnnsearch.study.tables import number

FEW = 5  # with fewer seeds, their spread is known only roughly


def over(comparison: Comparison) -> str:
    """What the intervals of the members' scores cover, and by which method."""
    counts = [len(seeds) for seeds in comparison.seeds_of.values()]
    if max(counts, default=1) == 1:
        return "test sentences alone (bootstrap)"
    seeds = "and seeds" if min(counts) > 1 else "and, where there are several, seeds"
    return f"test sentences (bootstrap) {seeds} (Student's t)"


def remarks(comparison: Comparison) -> list[Remark]:
    """Notes on members with one seed, and on few seeds, with this study's own spread."""
    seeds = {"seeds": list(comparison.seeds)}
    counts = {member: len(of_member) for member, of_member in comparison.seeds_of.items()}
    alone = [member for member, count in counts.items() if count == 1]
    pairs = [pair for pair in comparison.compared if not set(alone) & set(pair)]
    alone += [" − ".join(pair) for pair in pairs if len(shared_seeds(comparison.seeds_of, pair)) == 1]
    several = [count for count in counts.values() if count > 1]
    notes = []
    if not several:
        text = (
            "One seed: the intervals cover the choice of test sentences, not the chance of training, of which one seed "
            "knows nothing. Nothing is claimed of the systems, only of these runs; several seeds, asked for from the "
            "start as by 'seeds=[0,1,2]', would show both."
        )
        notes.append(Remark("note", "one_seed", text, (), seeds))
    elif alone:
        text = f"One seed alone of {listed(alone)}: what is said there is said of these runs, over sentences alone."
        notes.append(Remark("note", "one_seed", text, (), {**seeds, "of": alone}))
    if several and min(several) < FEW:
        text = (
            f"{_from_to(several)} seeds: the spread over training runs is itself known only "
            f"roughly{_of_members(comparison)}; read the differences seed by seed."
        )
        notes.append(Remark("note", "few_seeds", text, (), seeds))
    return notes


def _from_to(counts: Sequence[int]) -> str:
    return str(min(counts)) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"


def _of_members(comparison: Comparison) -> str:
    """The least and the largest standard deviation over seeds."""
    deviations = {
        member: deviation
        for member, scores in comparison.whole.scores.items()
        if (deviation := scores[comparison.primary].deviation) is not None
    }
    if not deviations:
        return ""
    name, most = TITLES[comparison.primary], max(deviations, key=lambda member: deviations[member])
    least = min(deviations, key=lambda member: deviations[member])
    if len(deviations) == 1:
        return f" (here a standard deviation of {number(deviations[most])} {name})"
    return (
        f" (here standard deviations of {number(deviations[least])} {name} for {least} to "
        f"{number(deviations[most])} for {most})"
    )
