"""The runs of a study's grids: each point a configuration, those that are the same one run."""

from __future__ import annotations

import functools
import itertools
from typing import Any

from cotoolkit.config import FORMAT, RunConfig
from cotoolkit.core.identity import differences, identity_of
from cotoolkit.studies.overrides import Grid, combinations


class GridPoints:
    """Grids over a base as the key of a cache: two are equal if they are written equally."""

    def __init__(self, base: dict[str, Any], grids: tuple[Grid, ...]) -> None:
        self.base, self.grids = base, grids
        self._written = repr((base, grids))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GridPoints) and self._written == other._written

    def __hash__(self) -> int:
        return hash(self._written)


@functools.lru_cache(maxsize=2)  # of a large study, which asks for its runs many times, each a second or two
def distinct_runs(grids: GridPoints) -> dict[str, RunConfig]:
    """The runs by identity, in the order of the grids."""
    runs: dict[str, RunConfig] = {}
    kin: dict[str, _Seeds] = {}
    for data in itertools.chain.from_iterable(combinations(grids.base, grid) for grid in grids.grids):
        seed, key = data.get("seed"), repr({**data, "seed": None})
        if key in kin and type(seed) is int and seed >= 0:
            config, identity = kin[key].member(seed)
        else:
            config = RunConfig.parse(data)
            kin[key], identity = _Seeds(config), config.identity
        runs[identity] = config
    return runs


class _Seeds:
    """Configurations that differ in nothing but the seed. To validate ten thousand of them one by one takes seconds.

    Args:
        first: one of them.
    """

    def __init__(self, first: RunConfig) -> None:
        self._first = first
        self._differences = differences(first.model_copy(update={"seed": 0}))

    def member(self, seed: int) -> tuple[RunConfig, str]:
        """The configuration with a seed, 0 or more, and its identity."""
        own = {"seed": seed} if seed else {}
        return self._first.model_copy(update={"seed": seed}), identity_of(FORMAT, self._differences | own)
