"""What a figure costs, as far as it is known before it is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cotoolkit.studies.scale import Scale

if TYPE_CHECKING:
    from figures.recipe import Recipe
    from figures.record import Record


@dataclass(frozen=True)
class Cost:
    """Of a figure at a scale.

    Attributes:
        runs: that it trains at least.
        seconds: that its runs took when it was made; None if it was not.
    """

    runs: int
    seconds: float | None = None

    def __str__(self) -> str:
        runs = f"{self.runs} run{'s' * (self.runs != 1)}"
        return runs if self.seconds is None else f"{runs}, {self.seconds / 60:.1f} min of training"


def cost(runs: int, record: Record | None) -> Cost:
    """From the number of runs; `record` is what was stored of the figure, if anything."""
    return Cost(runs, None if record is None else record.making.training_seconds)


def runs_of(recipe: Recipe, scale: Scale) -> int:
    """How many runs a recipe trains at least; one that several of its studies name is trained once."""
    return len({run.identity for study in recipe.at(scale) for run in study.runs()})
