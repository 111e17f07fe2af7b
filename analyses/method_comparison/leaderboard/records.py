"""What a record of the leaderboard holds: one method, one setting, one radius, and the numbers of each seed.

What follows from other parts of a record is computed again when it is read: means, intervals, shares, and the
identities of the runs, which hash the very settings that the record states, the passes of a step, and the iterations.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, Self

from annotated_types import Ge, Gt, MinLen
from pydantic import model_validator

from analyses.core.statistics import Estimate, estimate, share_interval
from analyses.method_comparison.leaderboard.recorded_runs import (
    TOLERANCE,
    Rate,
    Recorded,
    RecordedAccuracies,
    RecordedRun,
)
from cotoolkit.config import RunConfig
from cotoolkit.studies.scale import Scale


class OverSeeds(Recorded):
    """A mean over seeds with Student's 95 % interval; None where no seed, or one alone, has the number."""

    mean: Rate | None
    low: Rate | None
    high: Rate | None

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Self:
        """From the values of seeds.

        Args:
            values: accuracies; None where a seed has none.

        Returns:
            The mean.
        """
        found: Estimate = estimate([value for value in values if value is not None])
        if not found.n:
            return cls(mean=None, low=None, high=None)
        if math.isnan(found.low):
            return cls(mean=found.mean, low=None, high=None)
        return cls(mean=found.mean, low=max(found.low, 0.0), high=min(found.high, 1.0))


class RecordedShare(Recorded):
    """How many seeds overfitted catastrophically, with the exact 95 % interval of their share."""

    broke: Annotated[int, Ge(0)]
    of: Annotated[int, Ge(1)]
    low: Rate
    high: Rate

    @classmethod
    def counted(cls, broke: int, of: int) -> Self:
        """From counts."""
        low, high = share_interval(broke, of)
        return cls(broke=broke, of=of, low=low, high=high)


class RecordedCost(Recorded):
    """What a step costs; see `cost.COST`."""

    forward: Annotated[int, Ge(0)]
    backward: Annotated[int, Ge(0)]
    double_backward: Annotated[int, Ge(0)]
    units: Annotated[float, Gt(0)]
    time: Annotated[float, Gt(0)]
    time_low: Annotated[float, Gt(0)]
    time_high: Annotated[float, Gt(0)]

    @model_validator(mode="after")
    def _interval_holds_the_time(self) -> Self:
        if not self.time_low <= self.time <= self.time_high:
            raise ValueError(f"time {self.time:g} is not between {self.time_low:g} and {self.time_high:g}")
        return self


class RecordedMeans(Recorded):
    """The accuracies of one kind of network over seeds."""

    clean: OverSeeds
    robust: OverSeeds
    autoattack: OverSeeds

    @classmethod
    def of_networks(cls, networks: Sequence[RecordedAccuracies | None]) -> Self:
        """From the networks of seeds; None where there is none."""
        known = [one for one in networks if one is not None]
        return cls(
            clean=OverSeeds.of(one.clean for one in known),
            robust=OverSeeds.of(one.robust for one in known),
            autoattack=OverSeeds.of(one.autoattack for one in known),
        )


class LeaderboardRecord(Recorded):
    """A method under one setting.

    Attributes:
        format: of the record.
        method: registered name.
        settings: its fields, with the name, as in a configuration.
        radius: of training and attacks, in pixel units.
        data: as in a configuration.
        network: the configuration's model.
        training: all other fields of the configuration: schedule, optimiser, intervention, threat model, monitor.
        scale: what the numbers may be taken for.
        protocol: the card of the attacks, with its hash (`worst_of_three_card`).
        runs: one per seed.
        last: accuracies of the last networks.
        best: those of the best networks, chosen on held-out images.
        overfitting: share of seeds.
        cost: of a step.
        environments: versions and devices of training, each once.
    """

    format: Literal[1] = 1
    method: str
    settings: dict[str, Any]
    radius: Annotated[float, Gt(0)]
    data: dict[str, Any]
    network: dict[str, Any]
    training: dict[str, Any]
    scale: Scale
    protocol: dict[str, Any]
    runs: Annotated[tuple[RecordedRun, ...], MinLen(1)]
    last: RecordedMeans
    best: RecordedMeans
    overfitting: RecordedShare
    cost: RecordedCost
    environments: Annotated[tuple[Annotated[dict[str, Any], MinLen(1)], ...], MinLen(1)]

    def config(self, seed: int) -> RunConfig:
        """The configuration of a seed's run.

        Raises:
            ConfigError: the record states none that is valid.
        """
        stated = {"data": self.data, "model": self.network, "method": self.settings, "epsilon": self.radius}
        return RunConfig.parse({**self.training, **stated, "seed": seed})

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of its runs."""
        return tuple(run.seed for run in self.runs)

    @property
    def key(self) -> str:
        """8 hex digits of a hash of everything but numbers, seeds and machines: equal for records that compete."""
        stated = [self.settings, self.radius, self.data, self.network, self.training, self.protocol["hash"]]
        return hashlib.sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()[:8]

    @model_validator(mode="after")
    def _runs_are_of_these_settings(self) -> Self:
        if self.settings.get("name") != self.method:
            raise ValueError(f"settings are of {self.settings.get('name')!r}, not of {self.method!r}")
        if len(set(self.seeds)) < len(self.runs):
            raise ValueError("a seed stands twice")
        for run in self.runs:
            identity = self.config(run.seed).identity
            if run.identity != identity:
                raise ValueError(f"seed {run.seed}: its settings have the identity {identity}, not {run.identity}")
        return self

    @model_validator(mode="after")
    def _protocol_is_what_was_hashed(self) -> Self:
        card = {name: value for name, value in self.protocol.items() if name != "hash"}
        found = hashlib.sha256(json.dumps(card, sort_keys=True).encode()).hexdigest()[:12]
        if self.protocol.get("hash") != found:
            raise ValueError(f"protocol: its card has the hash {found}, not {self.protocol.get('hash')}")
        return self

    @model_validator(mode="after")
    def _numbers_follow_from_the_runs(self) -> Self:
        for name in ("last", "best"):
            expected = RecordedMeans.of_networks([getattr(run, name) for run in self.runs])
            _same(name, getattr(self, name).model_dump(), expected.model_dump())
        broke = sum(run.breakpoint is not None for run in self.runs)
        counted = RecordedShare.counted(broke, len(self.runs))
        _same("overfitting", self.overfitting.model_dump(), counted.model_dump())
        return self

    @model_validator(mode="after")
    def _passes_are_those_of_the_method(self) -> Self:
        for name, passes in self.config(self.seeds[0]).method.cost_per_step()._asdict().items():
            if getattr(self.cost, name) != passes:
                raise ValueError(f"cost.{name} is {getattr(self.cost, name)}, but a step of {self.method} has {passes}")
        return self

    @model_validator(mode="after")
    def _iterations_follow_from_the_epochs(self) -> Self:
        config = self.config(self.seeds[0])
        if config.remedy is not None:  # which may end a run early
            return self
        data, whole = config.data, {run.iterations for run in self.runs if run.verdict != "diverged"}
        if data.train_size is not None and data.subset is None and data.only is None:
            whole.add(config.epochs * (data.train_size // config.batch_size))
        if len(whole) > 1 or any(count % config.epochs for count in whole):
            stated = " and ".join(map(str, sorted(whole)))
            raise ValueError(f"iterations: {stated} cannot all be those of {config.epochs} epochs of the same images")
        if whole and max(run.iterations for run in self.runs) > max(whole):
            raise ValueError(f"iterations: a run that diverged had more than the {max(whole)} of the others")
        return self


def _same(place: str, stated: Any, expected: Any) -> None:
    """Refuse numbers that differ.

    Raises:
        ValueError: naming the place.
    """
    if isinstance(expected, dict):
        for name in expected:
            _same(f"{place}.{name}", stated[name], expected[name])
    elif (stated is None) != (expected is None) or (
        expected is not None and not math.isclose(stated, expected, rel_tol=0, abs_tol=TOLERANCE)
    ):
        raise ValueError(f"{place} is {stated}, but the runs give {expected}")
