"""Which subjects can be compared: those measured on the same things; and which one of them is best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from huafeng.evaluation.figure import Figure, definition
from huafeng.evaluation.result import Evaluation

# What figures rest on, role by role of the evaluation's inputs, and how a sentence calls several of it.
ROLES = {
    "protocol": "protocols", "network": "feature networks", "photos": "photos", "real": "real pictures", "works": "works",
}  # fmt: skip
_RESTS_ON_WORKS = ("style", "adversarial")  # the other groups compare photo and result


def alike(evaluations: Sequence[Evaluation], group: str | None = None) -> list[list[int]]:
    """The evaluations' places, in sets whose figures of that group can be compared; without a group, their baselines too.

    Of every two in a set, all that the figures rest on is equal: photos, feature network, protocol, and for figures of style
    the works. Sets, and places in them, are in the order given.
    """
    sets: list[tuple[dict[str, Any], list[int]]] = []
    for place, evaluation in enumerate(evaluations):
        basis = _basis(evaluation, group)
        for known, places in sets:
            if known == basis:
                places.append(place)
                break
        else:
            sets.append((basis, [place]))
    return [places for _, places in sets]


def why_apart(evaluations: Sequence[Evaluation], group: str) -> str:
    """A sentence that says why a best one is not told, or among which ones only; "" where all can be compared."""
    sets = alike(evaluations, group)
    if len(sets) == 1:
        return ""
    bases = [_basis(evaluation, group) for evaluation in evaluations]
    differing = " and ".join(word for role, word in ROLES.items() if any(one[role] != bases[0][role] for one in bases))
    together = "; ".join(", ".join(evaluations[place].subject for place in places) for places in sets if len(places) > 1)
    if not together:
        return f"Nothing is marked as best, for the {differing} differ."
    return f"The {differing} differ. A best one is marked only among those that share them: {together}."


def best_among(figures: Sequence[Figure | None], sets: Sequence[Sequence[int]]) -> set[int]:
    """The places of the best ones of one figure, one at most in each set of places."""
    found = set()
    for places in sets:
        best = best_of([figures[place] for place in places])
        if best is not None:
            found.add(places[best])
    return found


def best_of(figures: Sequence[Figure | None]) -> int | None:
    """Which of several subjects' figures of one name is the best, or None where that cannot be told.

    It can be told where all of them have intervals and the best one's overlaps with no other. Where the photo's own value is
    the aim, distances to it are compared.
    """
    if len(figures) < 2:
        return None
    ranges: list[tuple[float, float]] = []
    for figure in figures:
        badness = None if figure is None else _badness(figure)
        if badness is None:
            return None
        ranges.append(badness)
    best = min(range(len(ranges)), key=lambda place: ranges[place][1])
    others = (least for place, (least, _) in enumerate(ranges) if place != best)
    return best if all(ranges[best][1] < least for least in others) else None


def _badness(figure: Figure) -> tuple[float, float] | None:
    """The figure's interval on a scale where less is better, or None where it has none."""
    if figure.interval is None:
        return None
    low, high = figure.interval
    match definition(figure.name).better:
        case "lower":
            return low, high
        case "higher":
            return -high, -low
    if figure.identity is None:
        return None
    away = abs(low - figure.identity), abs(high - figure.identity)
    return (0.0 if low <= figure.identity <= high else min(away)), max(away)


def _basis(evaluation: Evaluation, group: str | None) -> dict[str, Any]:
    """What figures of that group rest on, by role; None where it has no part in them."""
    basis = {role: evaluation.inputs.get(role) for role in ROLES} | {"protocol": evaluation.protocol}
    if group is not None and group not in _RESTS_ON_WORKS:
        basis["works"] = None
    if isinstance(basis["works"], Mapping):  # the same works may lie elsewhere
        basis["works"] = {fact: value for fact, value in basis["works"].items() if fact != "source"}
    return basis
