"""Tidy tables of one setting's stages.

    scalars        seed, stage, statistic, value
    neurons        of one seed: stage, unit, and what that unit is made of
    coefficients   of a few units of that seed, before and after: stage, unit, quantile, atom, coefficient
    curves         seed, stage, attack, radius, multiple (of the training radius), accuracy
    course         seed, phase, step, statistic, value

Each begins with the columns setting, role, d and k.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

import pandas as pd
import torch
from torch import Tensor

from analyses.purification.measures.coefficients import DictionaryUnits, unit_statistics, units
from analyses.purification.measures.edits import edit_statistics, transfer_statistics
from analyses.purification.measures.movement import (
    initial_statistics,
    movement_statistics,
    purification_ratio,
    turning_angles,
)
from analyses.purification.measures.robustness import (
    MULTIPLES,
    JudgedPoints,
    accuracy,
    contents,
    curves,
    fgm_accuracy,
    half_radius,
    moved_accuracy,
    pgd_accuracy,
)
from analyses.purification.stages import Stages
from analyses.purification.synthetic_world.ball_attack import BallAttack, Scorer
from analyses.purification.synthetic_world.network import SymmetricNet
from analyses.purification.synthetic_world.synthetic_data import SyntheticWorld

SHOWN_QUANTILES = (0.9, 0.5, 0.1)
"""Units whose coefficients are kept: at these quantiles of |alpha| among the pure units of the clean net."""

BEFORE_AFTER = ("clean", "fgm")

Statistics = Mapping[str, Tensor]
"""A number per seed, (S,), by name."""


@dataclass(frozen=True)
class TheoryTables:
    """The tables of one setting, or of several, one below the other."""

    scalars: pd.DataFrame
    neurons: pd.DataFrame
    coefficients: pd.DataFrame
    curves: pd.DataFrame
    course: pd.DataFrame

    @classmethod
    def names(cls) -> list[str]:
        """Of the tables."""
        return [field.name for field in fields(cls)]

    def stacked(self) -> pd.DataFrame:
        """All in one table, told apart by the column `table`; truth values as 0 and 1."""
        named: list[pd.DataFrame] = []
        for name in self.names():
            frame: pd.DataFrame = getattr(self, name)
            named.append(frame.astype(dict.fromkeys(frame.select_dtypes("bool"), int)).assign(table=name))
        return pd.concat(named, ignore_index=True)

    @classmethod
    def unstacked(cls, data: pd.DataFrame) -> TheoryTables:
        """From what `stacked` gives, also from a part of its rows, and back from CSV."""
        parts = {}
        for name in cls.names():
            rows = data[data["table"] == name].drop(columns="table").dropna(axis="columns", how="all")
            parts[name] = rows.astype(dict.fromkeys({"seed", "unit", "atom"} & set(rows), int)).reset_index(drop=True)
        return cls(**parts)


def theory_tables(stages: Stages, probe: JudgedPoints) -> TheoryTables:
    """Everything worth knowing of trained stages.

    Args:
        stages: what training left behind.
        probe: fresh points to judge on.

    Returns:
        The tables of one setting.
    """
    setting, seeds = stages.setting, stages.seeds
    found = {stage: units(w, stages.world) for stage, w in stages.weights.items() if not stage.endswith("initial")}
    scalars = [
        {"seed": seed, "stage": stage, "statistic": name, "value": value}
        for stage, statistics in _statistics(stages, found, probe)
        for name, values in statistics.items()
        for seed, value in zip(seeds, values.tolist(), strict=True)
    ]
    course = [
        {"phase": moment.phase, "step": moment.step, "seed": seed, "statistic": name, "value": value}
        for moment in stages.course
        for name, values in moment.statistics.items()
        for seed, value in zip(seeds, values.tolist(), strict=True)
    ]
    frames = {
        "scalars": pd.DataFrame(scalars),
        "neurons": _neurons(stages, found),
        "coefficients": _coefficients(found),
        "curves": pd.DataFrame(_curves(stages, probe)),
        "course": pd.DataFrame(course),
    }
    for frame in frames.values():
        frame.insert(0, "setting", setting.name)
        frame.insert(1, "role", setting.role)
        frame.insert(2, "d", setting.d)
        frame.insert(3, "k", setting.k)
    return TheoryTables(**frames)


def _statistics(
    stages: Stages, found: Mapping[str, DictionaryUnits], probe: JudgedPoints
) -> Iterator[tuple[str, Statistics]]:
    setting, world, w = stages.setting, stages.world, stages.weights
    alive = found["clean"].alive
    for stage, taken_apart in found.items():
        yield stage, unit_statistics(taken_apart, setting.k)
        yield stage, _robustness(stages.net(stage), probe, setting.radius)
        if stage != "second":
            yield stage, initial_statistics(w["initial"], w[stage], alive)
        if stage not in ("clean", "second", "scratch"):
            yield stage, movement_statistics(w["clean"], w[stage], alive, world)
    for stage, count in stages.products.items():
        yield stage, {"products": torch.full((len(stages.seeds),), count)}
    for stage in BEFORE_AFTER:
        yield stage, _contents(stages.net(stage), probe, world, setting.radius)
        yield stage, {"half_radius": half_radius(stages.net(stage), probe, high=8 * setting.radius)}
    yield "edits", edit_statistics(stages.net("clean"), stages.net("fgm"), probe, world, setting.radius)
    if not setting.full:
        return
    for stage in ("clean", "linf", "clean_on"):
        net, radius = stages.net(stage), setting.linf_radius
        yield (
            stage,
            {
                "accuracy_fgm_linf": fgm_accuracy(net, probe, radius, "linf"),
                "accuracy_pgd_linf": pgd_accuracy(net, probe, radius, "linf"),
            },
        )
    second, clean, fgm = (stages.net(stage) for stage in ("second", "clean", "fgm"))
    yield "second", transfer_statistics(second, clean, fgm, probe, setting.radius)
    for name, model in stages.models.items():
        yield name, _robustness(model, probe, setting.radius)


def _robustness(net: Scorer, probe: JudgedPoints, radius: float) -> Statistics:
    return {
        "accuracy_clean": accuracy(net, probe),
        "accuracy_universal": moved_accuracy(net, probe, "universal", radius),
        "accuracy_fgm": fgm_accuracy(net, probe, radius),
        "accuracy_pgd": pgd_accuracy(net, probe, radius),
        "accuracy_random": moved_accuracy(net, probe, "random", radius),
    }


def _contents(net: SymmetricNet, probe: JudgedPoints, world: SyntheticWorld, radius: float) -> Statistics:
    parts = [
        contents(BallAttack("l2", radius).perturb(net.input_gradient, part.batch.x, part.batch.y), part.batch, world)
        for part in probe.blocks()
    ]
    return {name: torch.stack([part[name] for part in parts]).mean(0) for name in parts[0]}


def _curves(stages: Stages, probe: JudgedPoints) -> Iterator[dict[str, object]]:
    radius = stages.setting.radius
    for stage in BEFORE_AFTER:
        for attack, values in curves(stages.net(stage), probe, [radius * multiple for multiple in MULTIPLES]).items():
            for seed, row in zip(stages.seeds, values.tolist(), strict=True):
                for multiple, value in zip(MULTIPLES, row, strict=True):
                    place = {"stage": stage, "attack": attack, "radius": radius * multiple, "multiple": multiple}
                    yield {**place, "seed": seed, "accuracy": value}


def _neurons(stages: Stages, found: Mapping[str, DictionaryUnits]) -> pd.DataFrame:
    """Of the first seed; ratio and angle compare a unit of this stage with itself after clean training."""
    clean = stages.weights["clean"][0]
    frames = []
    for stage in found:
        if stage in ("second", "scratch"):
            continue
        own, weights = found[stage], stages.weights[stage][0]
        columns = {
            name: getattr(own, name)[0].cpu().numpy()
            for name in ("norm", "alive", "pure", "top", "alpha", "mixture", "epsilon", "mass", "density")
        }
        columns |= {
            "participation": own.participation[0].cpu().numpy(),
            "residual_norm": own.residual[0].norm(dim=-1).cpu().numpy(),
            "alive_clean": found["clean"].alive[0].cpu().numpy(),
            "pure_clean": found["clean"].pure[0].cpu().numpy(),
            "ratio": purification_ratio(clean, weights).cpu().numpy(),
            "angle_clean": turning_angles(clean, weights).cpu().numpy(),
            "angle_initial": turning_angles(stages.weights["initial"][0], weights).cpu().numpy(),
        }
        frames.append(pd.DataFrame(columns).assign(stage=stage).rename_axis("unit").reset_index())
    return pd.concat(frames, ignore_index=True)


def _coefficients(found: Mapping[str, DictionaryUnits]) -> pd.DataFrame:
    clean = found["clean"]
    pure = clean.pure[0].nonzero().squeeze(1)
    ranked = pure[clean.alpha[0][pure].abs().argsort()].tolist()
    shown = [ranked[int(quantile * (len(ranked) - 1))] for quantile in SHOWN_QUANTILES] if ranked else []
    rows = [
        {"stage": stage, "unit": unit, "quantile": quantile, "atom": atom, "coefficient": value}
        for stage in BEFORE_AFTER
        for quantile, unit in zip(SHOWN_QUANTILES, shown, strict=False)
        for atom, value in enumerate(found[stage].coefficients[0, unit].tolist())
    ]
    return pd.DataFrame(rows, columns=["stage", "unit", "quantile", "atom", "coefficient"])
