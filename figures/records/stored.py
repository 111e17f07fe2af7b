"""The stored figures of a gallery with their claims, each claim counted once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from analyses.core.judging.words import WORDS, tally
from cotoolkit.studies.scale import Scale
from figures.recipe import Recipe
from figures.records.files import folder_of, stored_record
from figures.records.record import FigureRecord, StoredClaim

SCALES: tuple[Scale, ...] = ("smoke", "digits", "laptop", "paper")


@dataclass(frozen=True)
class StoredFigure:
    """A figure at one scale.

    Attributes:
        recipe: that made it.
        scale: its size.
        record: what was written of it.
        own: its claims but those that a figure before it has, with the same numbers.
        elsewhere: those, with the name of that figure.
        adjusted: p of its judged claims, by their keys, after Holm: for asking all judged claims of the paper at this
            scale; none for a check of data and code.
    """

    recipe: Recipe
    scale: Scale
    record: FigureRecord
    own: tuple[StoredClaim, ...]
    elsewhere: tuple[tuple[StoredClaim, str], ...]
    adjusted: dict[str, float]

    @property
    def folder(self) -> str:
        """Its folder within the gallery."""
        return folder_of(Path(), self.recipe.name, self.scale).as_posix()


def stored_figures(recipes: Iterable[Recipe], gallery: Path) -> list[StoredFigure]:
    """The figures of some recipes that were made, in their order.

    Args:
        recipes: in order.
        gallery: folder of all figures.

    Returns:
        One per recipe and scale.
    """
    found: list[StoredFigure] = []
    first: dict[tuple[Scale, str], str] = {}
    for recipe in recipes:
        for scale in SCALES:
            record = stored_record(gallery, recipe.name, scale)
            if record is not None:
                before = [(claim, first.get((scale, claim.content), "")) for claim in record.claims]
                own = tuple(claim for claim, name in before if not name)
                elsewhere = tuple((claim, name) for claim, name in before if name)
                found.append(StoredFigure(recipe, scale, record, own, elsewhere, {}))
                first |= {(scale, claim.content): recipe.name for claim in own}
    return _adjusted(found)


def _adjusted(figures: Sequence[StoredFigure]) -> list[StoredFigure]:
    """The same with the p values adjusted."""
    from analyses.core.statistics import holm

    families: dict[tuple[str, Scale], list[tuple[str, str, float]]] = {}
    for one in figures:
        family = families.setdefault((one.recipe.paper, one.scale), [])
        judged = () if one.recipe.appendix else one.own
        family += [(one.recipe.name, claim.key, claim.p) for claim in judged if claim.judged and claim.p is not None]
    found = {
        (name, scale, key): float(p)
        for (_, scale), family in families.items()
        for (name, key, _), p in zip(family, holm([p for *_, p in family]), strict=True)
    }
    return [
        replace(
            one,
            adjusted={
                claim.key: found[place]
                for claim in one.own
                if (place := (one.recipe.name, one.scale, claim.key)) in found
            },
        )
        for one in figures
    ]


def totals(figures: Sequence[StoredFigure]) -> Iterator[str]:
    """How the claims of some figures came out, a line per scale; checks of data and code do not count."""
    for scale in SCALES:
        own = [one for one in figures if one.scale == scale and not one.recipe.appendix]
        if own:
            yield f"Scale {scale}, {len(own)} figure{'s' * (len(own) != 1)}: {verdict_counts(own)}.\n"
            supported = [one.adjusted[claim.key] for one in own for claim in one.own if claim.verdict == WORDS["holds"]]
            if supported:
                kept = sum(p < 0.05 for p in supported)
                yield f"Holm's p is below 0.05 for {kept} of the {len(supported)} supported at scale {scale}.\n"


def inconclusive_share(figures: Iterable[StoredFigure]) -> tuple[int, int]:
    """How many claims are inconclusive, and how many were judged, over all scales; checks do not count."""
    own = [claim for one in figures if not one.recipe.appendix for claim in one.own if claim.judged]
    return sum(claim.verdict == WORDS["undecided"] for claim in own), len(own)


def verdict_counts(figures: Iterable[StoredFigure]) -> str:
    """How many of their claims came out how."""
    return tally(claim.verdict for one in figures for claim in one.own)
