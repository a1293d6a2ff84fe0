"""One alignment from two: links of a source-to-target model and of a target-to-source one.

Links are 0-indexed pairs (source word, target word), in both alignments. Koehn, Och and Marcu 2003, "Statistical
phrase-based translation", section 4.3: start from the intersection, whose links are the surest, and grow it into the
union.
"""

from collections.abc import Callable, Mapping

from rnnsearch.evaluation.alignment_links import Links

NEIGHBOURS = ((-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))


def symmetrize(forward: Links, backward: Links, how: str) -> Links:
    """Both alignments of a pair as one; the backward model's links are given as (source, target) too.

    Args:
        forward, backward: links of the two models.
        how: ``intersection``, ``union`` or ``grow_diag``.

    Raises: ValueError for another `how`.
    """
    if how not in METHODS:
        raise ValueError(f"symmetrize={how}: choose one of {', '.join(METHODS)}")
    return METHODS[how](forward, backward)


def grow_diag(forward: Links, backward: Links) -> Links:
    """The intersection, grown by neighbouring links of the union that align a word without a link so far.

    The loop of the paper, and of Moses: all places are visited by target word, then source word; at a linked one, its
    eight neighbours in the order of `NEIGHBOURS`. An added link counts at once, its own place is visited too if it
    comes later, and all is repeated until nothing is added. The outcome depends on this order.
    """
    grown, candidates = set(forward & backward), forward | backward
    sources, targets = {source for source, _ in grown}, {target for _, target in grown}
    places, added = sorted(candidates, key=lambda link: link[::-1]), bool(grown)
    while added:
        added = False
        for source, target in places:
            if (source, target) not in grown:
                continue
            for link in ((source + i, target + j) for i, j in NEIGHBOURS):
                if link in candidates and link not in grown and not (link[0] in sources and link[1] in targets):
                    grown.add(link)
                    sources.add(link[0])
                    targets.add(link[1])
                    added = True
    return frozenset(grown)


METHODS: Mapping[str, Callable[[Links, Links], Links]] = {
    "intersection": frozenset.intersection,  # precise
    "union": frozenset.union,  # recalls the most
    "grow_diag": grow_diag,
}
