"""How figures are written: their titles and numbers, the same in the terminal, the report and the gallery."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from huafeng.evaluation.figure import GLOSSARY, GROUPS, Definition, Figure, definition

NOTHING = 1e-9  # what rounding leaves of 0
NAMED = 4  # subjects that a heading has room for
BETTER = {"higher": "Higher is better", "lower": "Lower is better", "photo": "Nearer to the plain photos' is better"}


def place_of(name: str) -> int:
    """Where the figure of that full name stands in the glossary, 0 first.

    Raises:
        KeyError: there is no such figure.
    """
    return list(GLOSSARY.values()).index(definition(name))


def short_name(name: str) -> str:
    """A figure's full name without its feature network: the glossary's key."""
    return list(GLOSSARY)[place_of(name)]


def network_of(name: str) -> str:
    """The feature network in a figure's full name, "" where it has none."""
    return name[len(short_name(name)) + 1 :]


def title_of(name: str) -> str:
    """The figure's title with its feature network and unit: "Style gap closed (features-v1)", "PSNR, dB"."""
    meant, network = definition(name), network_of(name)
    title = f"{meant.title} ({network})" if network else meant.title
    return f"{title}, {meant.unit}" if meant.unit else title


def titles_of(names: Sequence[str]) -> dict[str, str]:
    """Full name -> title, with the feature network only where there are several of them."""
    if len({network_of(name) for name in names} - {""}) > 1:
        return {name: title_of(name) for name in names}
    return {name: title_of(name).replace(f" ({network_of(name)})", "") for name in names}


def number(value: float | None) -> str:
    """Three significant digits (0.610, 12.3, 4,570), fewer for whole numbers (0, 1, 20); "–" for None."""
    if value is None:
        return "–"
    if abs(value) < NOTHING:
        return "0"
    rounded = float(f"{value:.3g}")
    if abs(rounded) >= 1000 or value == round(value):
        return f"{rounded:,.0f}"
    return f"{value:#.3g}".rstrip(".")


def interval(figure: Figure) -> str:
    """The figure's interval as "[0.58, 0.64]", "" where it has none."""
    return f"[{number(figure.interval[0])}, {number(figure.interval[1])}]" if figure.interval else ""


def random_was(figures: Sequence[Figure]) -> str:
    """What the random baseline was made of: "works", or without works "unrelated photos"."""
    return "works" if any(definition(figure.name).group == "style" for figure in figures) else "unrelated photos"


def together(names: Sequence[str]) -> str:
    """Several subjects in one line: "a · b · c"; of more than four the first three: "7 subjects: a, b, c and 4 more"."""
    if len(names) <= NAMED:
        return " · ".join(names)
    shown = names[: NAMED - 1]
    return f"{len(names):,} subjects: {', '.join(shown)} and {len(names) - len(shown):,} more"


def by_group(figures: Sequence[Figure]) -> Iterator[tuple[str, list[Figure]]]:
    """The groups' headings with their figures, both in the glossary's order, without empty groups."""
    for group, heading in GROUPS.items():
        members = [
            figure
            for figure in sorted(figures, key=lambda figure: place_of(figure.name))
            if definition(figure.name).group == group
        ]
        if members:
            yield heading, members


def glossary_of(names: Iterable[str]) -> dict[str, Definition]:
    """The part of the glossary that figures of these full names need, in its order."""
    keys = {short_name(name) for name in names}
    return {key: meant for key, meant in GLOSSARY.items() if key in keys}
