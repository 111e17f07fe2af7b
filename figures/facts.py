"""What `cotoolkit figures list` prints, readable without importing the recipes: see `cotoolkit.cli.facts`.

`python -m figures.facts` writes the file.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cotoolkit.cli.facts import FactFile

if TYPE_CHECKING:
    from cotoolkit.studies.scale import Scale
    from figures.recipe import Recipe


@dataclass(frozen=True)
class FigureFacts:
    """A figure of a paper.

    Attributes:
        name: as in `figures.recipe.Recipe`, and so `shows` and `item`.
        shows: what is to be seen.
        item: of the paper.
        runs: how many it trains at least, by scale.
    """

    name: str
    shows: str
    item: str
    runs: dict[str, int]

    @property
    def paper(self) -> str:
        """Key of the paper, the first part of the name."""
        return self.name.partition("/")[0]


def figures() -> list[FigureFacts]:
    """All figures, in the order of the papers."""
    return [FigureFacts(**fact) for fact in FACTS.facts("figures")]


def runs_of(recipe: Recipe, scale: Scale) -> int:
    """How many runs a recipe trains at least; one that several of its studies name is trained once.

    Args:
        recipe: of the figure.
        scale: its size.

    Returns:
        The number.

    Raises:
        ConfigError: the recipe has no such scale.
    """
    return len({run.identity for study in recipe.at(scale) for run in study.runs()})


def _asked(kind: str) -> list[dict[str, Any]]:
    from figures.catalogue import recipes

    assert kind == "figures"
    return [
        asdict(FigureFacts(one.name, one.shows, one.item, {scale: runs_of(one, scale) for scale in one.studies}))
        for one in recipes().values()
    ]


FACTS = FactFile(Path(__file__).with_name("facts.json"), {"figures": "figures"}, _asked)


if __name__ == "__main__":
    FACTS.write()
