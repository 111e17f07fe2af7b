"""The runs of the benchmark, those that thresholds may be fitted on, and the part that one machine trains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from analyses.early_warning.recorded.settings import (
    FIT,
    HELD_OUT_CIFAR,
    HELD_OUT_DIGITS,
    HELD_OUT_FASHION,
    BenchmarkSetting,
)
from cotoolkit.config import RunConfig
from cotoolkit.core.errors import ConfigError
from cotoolkit.studies.launchers.shard import shard_of

SETTINGS: tuple[BenchmarkSetting, ...] = (*FIT, *HELD_OUT_DIGITS, *HELD_OUT_FASHION, *HELD_OUT_CIFAR)
"""All runs of the benchmark."""

FITTED_ON = frozenset(setting.name for setting in FIT)
"""Names of the settings on which thresholds may be fitted; all others are held out."""


class BenchmarkRun(NamedTuple):
    """A run of the plan: the name of its setting, and what is trained."""

    setting: str
    config: RunConfig


def planned_runs() -> Iterator[BenchmarkRun]:
    """Every run; seeds first, so that an early end still has all settings."""
    for seed in range(max(setting.seeds for setting in SETTINGS)):
        for setting in SETTINGS:
            if seed < setting.seeds:
                yield BenchmarkRun(setting.name, RunConfig.parse({**setting.config, "seed": seed}))


def chosen_runs(part: str = "", settings: Sequence[str] = (), seeds: int | None = None) -> list[BenchmarkRun]:
    """The runs that one machine trains.

    Args:
        part: "k/n", the k-th of n parts of about the same work, with k from 1 to n; empty for all.
        settings: beginnings of the names of the settings wanted, capitals or not; none for all.
        seeds: of each setting, at most; None for all.

    Returns:
        In the plan's order.

    Raises:
        ConfigError: no setting begins so, or `part` is not of that form.
    """
    starts = tuple(word.casefold() for word in settings)
    for word in starts:
        if not any(setting.name.casefold().startswith(word) for setting in SETTINGS):
            sets = sorted({setting.name.split(",")[0] for setting in SETTINGS})
            raise ConfigError(f"no setting begins with {word!r}; they begin with {', '.join(sets)}")
    wanted = [
        run
        for run in planned_runs()
        if (seeds is None or run.config.seed < seeds) and (not starts or run.setting.casefold().startswith(starts))
    ]
    if not part:
        return wanted
    mine = {config.identity for config in shard_of([run.config for run in wanted], part)}
    return [run for run in wanted if run.config.identity in mine]
