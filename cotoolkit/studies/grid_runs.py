"""The runs of a study's grids: each point a configuration, those that are the same one run."""

from __future__ import annotations

import functools
import itertools
from typing import Any

from cotoolkit.config import RunConfig
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
    configs = []
    parts: dict[tuple[str, str], Any] = {}  # as parsed: most runs have most in common
    for data in itertools.chain.from_iterable(combinations(grids.base, grid) for grid in grids.grids):
        keys = {field: (field, repr(value)) for field, value in data.items()}
        config = RunConfig.parse({field: parts.get(key, data[field]) for field, key in keys.items()})
        parts |= {key: getattr(config, field) for field, key in keys.items() if key not in parts}
        configs.append(config)
    return {config.identity: config for config in configs}
