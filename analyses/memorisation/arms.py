"""Which runs the study trains: halves, references, retraining without groups of images, controls, and runs that break.

Every function gives arms; `study_of` makes a study of them, so that they are trained by the engine's launcher and go on
where they were cut off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from analyses.memorisation.settings import BETA, Dynamics, Kind, Plan, World, weighted
from cotoolkit.config import RunConfig
from cotoolkit.data import load
from cotoolkit.studies.overrides import apply
from cotoolkit.studies.study import Study

LOOKS = 10
"""Checkpoints of a standard reference run, equally far apart, that proxies are taken from."""

NOISE = 0.05
"""Share of planted label noise [R]."""


class Arm(NamedTuple):
    """One run and what it is for.

    Attributes:
        world: its name.
        kind: how it is trained.
        arm: what is changed.
        seed: of the run; of halves, also their number.
        settings: dotted, on top of the world's base.
        config: the run.
    """

    world: str
    kind: str
    arm: str
    seed: int
    settings: dict[str, Any]
    config: RunConfig

    @property
    def tags(self) -> dict[str, str | int]:
        """As columns of a table."""
        return {"world": self.world, "kind": self.kind, "arm": self.arm, "seed": self.seed}


def study_of(plan: Plan, name: str, question: str, base: Mapping[str, Any], arms: Sequence[Arm]) -> Study:
    """The study that trains some arms with one base."""
    grids = tuple({field: (value,) for field, value in arm.settings.items()} for arm in arms)
    return Study(name=name, question=question, scale=plan.scale, base=dict(base), grids=grids)


def halves(world: World, kind: Kind) -> list[Arm]:
    """Networks trained on halves of the training set; two in a row are complements."""
    count = world.halves if kind == "standard" else world.robust_halves
    return [_arm(world, kind, "half", k, {"data.subset.number": k, "seed": k}) for k in range(count)]


def references(world: World, kind: Kind) -> list[Arm]:
    """Networks trained on the whole set, with checkpoints: the standard ones for proxies, the others for flags."""
    last = iterations(world.config(kind, {}))
    looks = LOOKS if kind == "standard" else 2
    keep = [round(last * (place + 1) / looks) for place in range(looks)]
    seeds = max(world.seeds, 1) if kind == "standard" else world.seeds
    return [_arm(world, kind, "all", seed, {"keep": keep, "seed": seed}) for seed in range(seeds)]


def retrained(world: World, kind: Kind, masks: Mapping[tuple[str, int], str]) -> list[Arm]:
    """Networks trained on part of the set.

    Args:
        world: the world.
        kind: of training.
        masks: stamped files that mark what to train on, by arm and seed.
    """
    return [_arm(world, kind, arm, seed, {"data.only": mask, "seed": seed}) for (arm, seed), mask in masks.items()]


def noisy(world: World) -> list[Arm]:
    """Adversarially trained networks on labels of which a few are wrong."""
    last = iterations(world.config("adversarial", {}))
    noise = {"name": "label_noise", "rate": NOISE}
    settings: dict[str, Any] = {"intervention": noise, "keep": [last // 2, last]}
    return [_arm(world, "adversarial", "noise", s, {**settings, "seed": s}) for s in range(world.seeds)]


def controls(world: World, flags: Mapping[str, Mapping[int, str]]) -> list[Arm]:
    """BAT-style training and its controls on the whole set; the plain method is the reference.

    Args:
        world: the world.
        flags: stamped files of given flags by arm, then by seed.
    """
    inner = world.adversarial["method"]
    methods = {
        "weights": weighted(inner=inner),
        "permuted": weighted(inner=inner, weights="permuted"),
        "scaled": weighted(inner=inner, weights="scaled"),
        "opposite": weighted(inner=inner, weights="opposite"),
        "discrimination": {"name": "benign", "inner": inner, "alpha": 0, "beta": BETA},
        "weights + discrimination": weighted(inner=inner, beta=BETA),
        "dom": {"name": "dom", "inner": inner},
    }
    arms = [
        _arm(world, "adversarial", arm, seed, {"method": method, "seed": seed})
        for arm, method in methods.items()
        for seed in range(world.seeds)
    ]
    for arm, files in flags.items():
        arms += [
            _arm(
                world,
                "adversarial",
                arm,
                seed,
                {"method": weighted(inner=inner, weights="given", flags=file), "seed": seed},
            )
            for seed, file in files.items()
        ]
    return arms


def breaking(dynamics: Dynamics, masks: Mapping[str, str]) -> list[Arm]:
    """Single-step training that breaks, by method, and without some images.

    Args:
        dynamics: the world.
        masks: stamped files that mark what to train on, by arm; its method is the plain one.
    """
    changed: dict[str, dict[str, Any]] = {arm: {"method": method} for arm, method in dynamics.methods.items()}
    changed |= {arm: {"method": dynamics.methods["plain"], "data.only": mask} for arm, mask in masks.items()}
    arms = []
    for arm, settings in changed.items():
        last = iterations(RunConfig.parse(apply(dynamics.settings, settings)))
        keep = list(range(dynamics.every, last + 1, dynamics.every))
        for seed in range(dynamics.seeds):
            full = {**settings, "keep": keep, "seed": seed}
            arms.append(Arm("dynamics", "fgsm", arm, seed, full, RunConfig.parse(apply(dynamics.settings, full))))
    return arms


def iterations(config: RunConfig) -> int:
    """Updates of a run."""
    return config.epochs * (len(load(config.data, config.seed).train) // config.batch_size)


def _arm(world: World, kind: Kind, arm: str, seed: int, settings: dict[str, Any]) -> Arm:
    return Arm(world.name, kind, arm, seed, settings, world.config(kind, settings))
