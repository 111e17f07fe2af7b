"""What a figure is made of: runs, a tidy table, a drawing of it, and what it is said to show.

The table stands between: drawing, claims and comparisons see nothing but the table as it comes back from its CSV file,
so a figure can be drawn and judged again from the file alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from analyses.core.judging.verdicts import ClaimResult
from analyses.core.runner import StudyRunner
from analyses.core.study import Findings
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.validation import check_name
from cotoolkit.studies.scale import Scale
from cotoolkit.studies.study import Study

if TYPE_CHECKING:
    from figures.records.provenance import Provenance


class Comparison(NamedTuple):
    """A number that somebody printed, or that was computed beforehand (its source says so), beside ours.

    Attributes:
        what: the number, with its unit.
        printed: as it was read, text: "41.8", "about 1.33".
        source: where it was read, with its tag (`figures.source_tags`).
        ours: the same on our runs, one number per seed; nan for a seed without one.
        remark: where the two differ, and what is known of why.
    """

    what: str
    printed: str
    source: str
    ours: ArrayLike
    remark: str


def no_comparison(data: pd.DataFrame) -> list[Comparison]:
    """For figures of which no number was read."""
    return []


def trained_here(scale: Scale) -> Provenance | None:
    """For figures whose runs `collect` trains."""
    return None


@dataclass(frozen=True)
class Recipe:
    """One figure or table.

    Attributes:
        name: PAPER/FIGURE, the folders of its files.
        shows: what is to be seen, one line.
        item: which figure, table or prediction of the paper it is, and how sure that is.
        studies: what is trained, by scale; a figure without training has empty tuples. Runs that depend on the outcome
            of others are trained in `collect`.
        collect: trains, measures, and returns the table behind the picture. Every column is text, a number or a truth
            value.
        draw: the picture of such a table; it is called in the style of `cotoolkit.plotting.style`.
        claims: what the picture is said to show, checked on such a table.
        compare: printed numbers beside those of such a table.
        of_findings: the same table from the findings of a study (`cotoolkit analyse`), which may have more arms than
            the figure trains; None where the figure does not show a study.
        recorded: what a table rests on where `collect` reads records of runs; None at a scale where it trains them.
        setting: what was trained, in words, by scale; None where `studies` names all of it.
        appendix: it checks data and code and says nothing of training; pages show it at their end.
    """

    name: str
    shows: str
    item: str
    studies: Mapping[Scale, Sequence[Study]]
    collect: Callable[[Scale, StudyRunner], pd.DataFrame]
    draw: Callable[[pd.DataFrame], Figure]
    claims: Callable[[pd.DataFrame], list[ClaimResult]]
    compare: Callable[[pd.DataFrame], list[Comparison]] = no_comparison
    of_findings: Callable[[Findings[Any]], pd.DataFrame] | None = None
    recorded: Callable[[Scale], Provenance | None] = trained_here
    setting: Callable[[Scale], str] | None = None
    appendix: bool = False

    def __post_init__(self) -> None:
        """Refuse names that are no folders' names.

        Raises:
            ConfigError: the name is not PAPER/FIGURE.
        """
        parts = self.name.split("/") if isinstance(self.name, str) else []
        if len(parts) != 2:
            raise ConfigError(f"{self.name!r}: a figure is named PAPER/FIGURE")
        try:
            _, _ = map(check_name, parts)
        except ValueError as error:
            raise ConfigError(f"{self.name!r}: a figure is named PAPER/FIGURE ({error})") from None

    @property
    def paper(self) -> str:
        """Key of the paper, the first part of the name."""
        return self.name.partition("/")[0]

    def at(self, scale: Scale) -> Sequence[Study]:
        """What is trained at a scale.

        Raises:
            ConfigError: the recipe has no such scale.
        """
        if scale not in self.studies:
            raise ConfigError(f"{self.name} has no scale {scale!r}; choose from {', '.join(self.studies)}")
        return self.studies[scale]


def table_of(runner: StudyRunner, studies: Sequence[Study]) -> pd.DataFrame:
    """Train studies; their tables as one (see `cotoolkit.runs.tables.run_table`).

    Raises:
        RunError: a run failed.
    """
    return pd.concat([runner.train(study) for study in studies], ignore_index=True)
