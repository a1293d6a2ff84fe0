"""What differs between the members: a table of settings, and every key of their configs behind it."""

from collections import defaultdict

from rnnsearch.plots.style import value_text
from rnnsearch.study.blocks import Fold, Section
from rnnsearch.study.folder import Study
from rnnsearch.study.measures import settings, short_keys
from rnnsearch.study.ranking import short
from rnnsearch.study.tables import Table, config_difference

FEW = 4  # up to so many members have a column each


def section(study: Study) -> Section:
    """With a few members, a column for each; with more, a row for each, and every differing key in a fold."""
    entries = study.description.config_difference or []
    if len(study.members) <= FEW:
        return Section("What differs", tables=(config_difference(study),) if entries else ())
    by_key = Fold(
        f"All {len(entries)} configuration keys that differ, and their values", tables=(values_by_key(study),)
    )
    asked = settings_table(study)
    return Section("What differs", tables=(asked,) if asked else (), folds=(by_key,) if entries else ())


def settings_table(study: Study) -> Table | None:
    """A row for each member, a column for each setting that was varied; None where no settings are recorded."""
    varied = settings(study)
    keys = list(dict.fromkeys(key for of_member in varied.values() for key in of_member))
    if not keys:
        return None
    rows = tuple((member, *(short(varied[member].get(key)) for key in keys)) for member in study.members)
    return Table("Varied settings of each member", ("member", *short_keys(keys).values()), rows, 1 + len(keys))


def values_by_key(study: Study) -> Table:
    """A row for each key and value with the members that have it; the largest group of a key is “the others”."""
    rows = []
    for entry in study.description.config_difference or []:
        having: dict[str, list[str]] = defaultdict(list)
        for member in study.members:
            having[value_text(entry.values.get(member))].append(member)
        largest = max(having, key=lambda value: len(having[value]))
        for value, members in having.items():
            others = value == largest and len(having) > 1 and len(members) > 2
            named = f"the other {len(members)}" if others else f"{len(members)}: " + "; ".join(members)
            rows.append((entry.key, value, named))
    return Table("Configuration keys in which the members differ", ("key", "value", "members"), tuple(rows), 3)
