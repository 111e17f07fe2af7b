"""Who trains in a study, as data: arms by settings by seeds, in one round, or in two around breakpoints."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self, TypeVar

import pandas as pd
from pydantic import BaseModel, ConfigDict

from cotoolkit.config import RunConfig
from cotoolkit.core.errors import ConfigError
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.overrides import apply
from cotoolkit.studies.scale import Scale
from cotoolkit.studies.study import Study

ConfigData = dict[str, Any]
"""Configuration data by field; a dotted name is a field of a part, as on the command line."""

P = TypeVar("P", bound="Plan")


class ArmGroup(BaseModel):
    """Arms that train over the same settings, each with every seed.

    Attributes:
        why: why these settings, for people, such as what makes training overfit catastrophically there.
        settings: what all arms share.
        seeds: of every arm.
        arms: what each arm puts over the settings, by its name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    why: str = ""
    settings: ConfigData
    seeds: tuple[int, ...]
    arms: dict[str, ConfigData]

    def config(self, arm: str, seed: int, keep: Sequence[int] | None = None) -> RunConfig:
        """The run of an arm.

        Args:
            arm: its name.
            seed: of the run.
            keep: iterations whose weights are kept, where the second round asks for others than the plan.

        Returns:
            Its configuration.

        Raises:
            ConfigError: the arm is no valid configuration.
        """
        kept = {} if keep is None else {"keep": tuple(keep)}
        return RunConfig.parse(apply(self.settings, {**self.arms[arm], "seed": seed, **kept}))

    def only(self, arms: Collection[str]) -> Self:
        """The same with some of its arms, in the order given."""
        return self.model_copy(update={"arms": {arm: self.arms[arm] for arm in arms}})

    def at_smoke(self) -> Self:
        """The same with its first seed alone."""
        return self.model_copy(update={"seeds": self.seeds[:1]})


class PlannedRun(NamedTuple):
    """A run of a plan.

    Attributes:
        group: its settings.
        arm: what is changed in them.
        seed: of the run.
        config: all of it.
    """

    group: str
    arm: str
    seed: int
    config: RunConfig

    @property
    def name(self) -> str:
        """Of its folder."""
        return RunFolder.of("", self.config).path.name


class Plan(BaseModel):
    """A study at one scale. Subclasses add what its measures need to know.

    Attributes:
        name: short, for folders.
        question: what the study asks, for people.
        scale: what its numbers may be taken for.
        groups: who trains, by the name of the settings.
        offsets: iterations, counted from the breakpoint, at which a second round keeps the weights; the first broken
            iteration is 0.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    question: str
    scale: Scale
    groups: dict[str, ArmGroup]
    offsets: tuple[int, ...] = ()

    @property
    def facts(self) -> dict[str, str]:
        """What it asks of whom, for people."""
        facts = {"question": self.question, "scale": self.scale}
        for name, group in self.groups.items():
            seeds = ", ".join(map(str, group.seeds))
            facts[name] = f"{len(group.arms)} arms, seeds {seeds}" + (f"; {group.why}" if group.why else "")
        return facts

    def at_smoke(self) -> Self:
        """The same for a quick look: the first seed of every group."""
        groups = {name: group.at_smoke() for name, group in self.groups.items()}
        return self.model_copy(update={"scale": "smoke", "groups": groups})

    def runs(self, groups: Collection[str] | None = None, arms: Collection[str] | None = None) -> Iterator[PlannedRun]:
        """Its runs in order.

        Args:
            groups: names of those wanted; None means all.
            arms: the same of the arms.

        Yields:
            One run per group, arm and seed.
        """
        for name, group in self.groups.items():
            for arm in group.arms if groups is None or name in groups else ():
                if arms is None or arm in arms:
                    yield from (PlannedRun(name, arm, seed, group.config(arm, seed)) for seed in group.seeds)

    def study(self, groups: Collection[str] | None = None, arms: Collection[str] | None = None) -> Study:
        """The study that trains them; arguments as of `runs`."""
        return self._study(self.name, [run.config for run in self.runs(groups, arms)])

    def around_breakpoints(self, breakpoints: pd.DataFrame, arms: Sequence[str]) -> Study:
        """The second round: some arms again, with their weights kept around a breakpoint.

        Args:
            breakpoints: columns group, seed, breakpoint and iterations, as `breakpoints` returns them; rows without a
                breakpoint are left out.
            arms: which train again; those of a group and seed share its breakpoint.

        Returns:
            The study that trains them.
        """
        configs = []
        for row in breakpoints.dropna(subset="breakpoint").to_dict("records"):
            group, keep = self.groups[row["group"]], self.kept(int(row["breakpoint"]), int(row["iterations"]))
            configs += [group.config(arm, int(row["seed"]), keep) for arm in arms]
        return self._study(f"{self.name}-around-breakpoints", configs)

    def kept(self, breakpoint_iteration: int, last: int) -> tuple[int, ...]:
        """The iterations around a breakpoint that a run of `last` iterations has."""
        around = (breakpoint_iteration + offset for offset in self.offsets)
        return tuple(iteration for iteration in around if 0 < iteration <= last)

    def labelled(self, table: pd.DataFrame, arms: Collection[str] | None = None) -> pd.DataFrame:
        """The rows of a table of runs that belong to the plan.

        Args:
            table: one row per run (`cotoolkit.runs.tables.run_table`).
            arms: whose runs are wanted; None means all.

        Returns:
            One row per group, arm and seed, in the plan's order, with these as its first columns.

        Raises:
            KeyError: one of the runs is not in the table.
        """
        wanted = [(run.group, run.arm, run.seed, run.name) for run in self.runs(arms=arms)]
        own = table.drop(columns=["group", "arm", "seed"], errors="ignore").set_index("run")
        names = pd.DataFrame(wanted, columns=["group", "arm", "seed", "run"])
        return names.join(own.loc[names["run"]].reset_index(drop=True))

    def breakpoints(self, table: pd.DataFrame) -> pd.DataFrame:
        """The breakpoints of FGSM's runs: group, seed, breakpoint (missing if none), iterations, verdict, run."""
        return self.labelled(table, ["fgsm"])[["group", "seed", "breakpoint", "iterations", "verdict", "run"]]

    def _study(self, name: str, configs: Sequence[RunConfig]) -> Study:
        grids = tuple({field: (value,) for field, value in config.to_data().items()} for config in configs)
        return Study(name=name, question=self.question, scale=self.scale, grids=grids)


def with_smoke(digits: P, laptop: P | None = None) -> dict[Scale, P]:
    """Plans by scale.

    Args:
        digits: that of scale digits, of which a part is that of scale smoke.
        laptop: that of scale laptop, if there is one.

    Returns:
        The plans, by what they may be taken for.
    """
    larger: dict[Scale, P] = {} if laptop is None else {"laptop": laptop}
    return {"smoke": digits.at_smoke(), "digits": digits, **larger}


def at_scale(plans: Mapping[Scale, P], scale: str) -> P:
    """A study's plan at a scale.

    Args:
        plans: by scale.
        scale: as the user named it.

    Returns:
        The plan.

    Raises:
        ConfigError: the study has no such scale.
    """
    for known, plan in plans.items():
        if known == scale:
            return plan
    raise ConfigError(f"this study has no scale {scale!r}; choose from {', '.join(plans)}")


def iterations(settings: ConfigData, images: int) -> int:
    """Updates of a run on a number of training images."""
    return int(settings["epochs"]) * (images // int(settings["batch_size"]))


def evenly(settings: ConfigData, images: int, looks: int) -> list[int]:
    """Iterations, equally far apart up to the last, as many as asked for."""
    last = iterations(settings, images)
    return [round(last * (look + 1) / looks) for look in range(looks)]


def every(settings: ConfigData, images: int, gap: int) -> list[int]:
    """Iterations, `gap` apart up to the last."""
    return list(range(gap, iterations(settings, images) + 1, gap))
