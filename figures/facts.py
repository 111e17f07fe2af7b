"""What `cotoolkit figures list` prints, readable without importing the recipes: see `cotoolkit.cli.facts`.

`python -m figures.facts` writes the file.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cotoolkit.cli.facts import FactFile


@dataclass(frozen=True)
class Figure:
    """A figure of a paper: `runs` says by scale how many it trains, the others are as in `figures.recipe.Recipe`."""

    name: str
    shows: str
    item: str
    runs: dict[str, int]

    @property
    def paper(self) -> str:
        """Key of the paper, the first part of the name."""
        return self.name.partition("/")[0]


def figures() -> list[Figure]:
    """All figures, in the order of the papers."""
    return [Figure(**fact) for fact in FACTS.facts("figures")]


def _asked(kind: str) -> list[dict[str, Any]]:
    from figures.catalogue import recipes
    from figures.cost import runs_of

    assert kind == "figures"
    return [
        asdict(Figure(one.name, one.shows, one.item, {scale: runs_of(one, scale) for scale in one.studies}))
        for one in recipes().values()
    ]


FACTS = FactFile(Path(__file__).with_name("facts.json"), {"figures": "figures"}, _asked)


if __name__ == "__main__":
    FACTS.write()
