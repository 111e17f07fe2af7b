"""The stages of one setting: clean training, adversarial training from there, and their controls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from analyses.purification.measures.coefficients import unit_statistics, units
from analyses.purification.measures.robustness import PGD_STEPS, JudgedPoints, accuracy, pgd_accuracy
from analyses.purification.plan import SyntheticSetting
from analyses.purification.synthetic_world.ball_attack import BallAttack
from analyses.purification.synthetic_world.baselines import Baseline, train_baselines, untrained_baselines
from analyses.purification.synthetic_world.network import SymmetricNet
from analyses.purification.synthetic_world.synthetic_data import SyntheticWorld, generators
from analyses.purification.synthetic_world.training import initial_weights, products, train_networks

MOMENTS = 12
"""How often a phase is looked at for its time course."""

COURSE_POINTS = 1000
"""Points that the time course's accuracies are taken on."""

FIRST, AFTER, SECOND = 0, 1, 2
"""Streams of samples: of clean training, of all that follows it, and of the second network."""


@dataclass(frozen=True)
class CourseMoment:
    """One look at a phase of training.

    Attributes:
        phase: `clean` or `fgm`.
        step: updates made in the phase.
        statistics: alpha, mixture, epsilon, and accuracy clean and under PGD; (S,) each.
    """

    phase: str
    step: int
    statistics: dict[str, Tensor]


@dataclass
class Stages:
    """What training left behind.

    Attributes:
        setting: the setting.
        seeds: their numbers.
        world: its worlds, one per seed.
        weights: (S, m, d) by stage. initial; clean; fgm: adversarial training from clean; fgm_short: its first part.
            Of a full setting also second_initial and second: another clean training; clean_on: clean training for as
            long as fgm; linf: FGSM from clean; pgd: as fgm_short, but with PGD; scratch: FGM from initial, for as long
            as clean training.
        models: low-complexity models by name; with "+at" after training on with FGM, "+on" after training on clean.
        products: what each stage cost, in products of a batch with a weight matrix.
        course: what was seen on the way of `clean` and `fgm`.
    """

    setting: SyntheticSetting
    seeds: Sequence[int]
    world: SyntheticWorld
    weights: dict[str, Tensor] = field(default_factory=dict)
    models: dict[str, Baseline] = field(default_factory=dict)
    products: dict[str, int] = field(default_factory=dict)
    course: list[CourseMoment] = field(default_factory=list)

    def net(self, stage: str) -> SymmetricNet:
        """The network of a stage, with the bias that clean training ends with."""
        return self.setting.net(self.weights[stage])


def train_stages(setting: SyntheticSetting, seeds: Sequence[int], device: str) -> Stages:
    """Train everything a setting asks for.

    A seed's world, weights and samples depend on that seed alone, not on which seeds run beside it. Stages that are
    compared with each other see the same samples.

    Args:
        setting: what to train.
        seeds: whose networks are trained side by side.
        device: as torch names it.

    Returns:
        The weights of all stages, and what was seen on the way.
    """
    world = SyntheticWorld.draw(setting.coding, seeds, device)
    first = initial_weights(seeds, setting.m, setting.d, device=device)
    stages = Stages(setting, seeds, world, {"initial": first})
    w = stages.weights
    fgm = BallAttack("l2", setting.radius)

    def stage(name: str, start: str, steps: int, attack: BallAttack | None = None, stream: int = AFTER) -> None:
        stages.products[name] = steps * products(attack)
        w[name] = train_networks(
            w[start],
            world,
            generators(seeds, "order", stream, device),
            steps=steps,
            descent=setting.descent,
            # Only training from random weights follows the schedule; what starts from clean weights has its last bias.
            beta=setting.schedule if start.endswith("initial") else lambda _: setting.schedule.late,
            attack=attack,
            watch=_watcher(stages, name, steps, probe) if name in ("clean", "fgm") else None,
        )

    probe = JudgedPoints.draw(world, COURSE_POINTS, generators(seeds, "probe", 0, device))
    stage("clean", "initial", setting.clean_steps, stream=FIRST)
    stage("fgm", "clean", setting.adversarial_steps, fgm)
    if setting.full:
        w["second_initial"] = initial_weights(seeds, setting.m, setting.d, draw=2, device=device)
        stage("second", "second_initial", setting.clean_steps, stream=SECOND)
        stage("clean_on", "clean", setting.adversarial_steps)
        stage("linf", "clean", setting.adversarial_steps, BallAttack("linf", setting.linf_radius))
        stage("pgd", "clean", setting.short_steps, BallAttack("l2", setting.radius, PGD_STEPS))
        stage("scratch", "initial", setting.clean_steps, fgm, stream=FIRST)
        _train_models(stages, device)
    return stages


def _train_models(stages: Stages, device: str) -> None:
    setting, world = stages.setting, stages.world

    def samples(stream: int) -> list[torch.Generator]:
        return generators(stages.seeds, "order", stream, device)

    learn = partial(train_baselines, world=world, steps=setting.model_steps, batch=setting.batch)
    clean = learn(untrained_baselines(world, stages.weights["initial"]), randoms=samples(FIRST))
    longer = learn(clean, randoms=samples(AFTER))
    robust = learn(clean, randoms=samples(AFTER), attack=BallAttack("l2", setting.radius))
    stages.models = {
        name + way: model
        for way, models in {"": clean, "+on": longer, "+at": robust}.items()
        for name, model in models.items()
    }


def _watcher(stages: Stages, phase: str, steps: int, probe: JudgedPoints) -> Callable[[int, Tensor], None]:
    setting = stages.setting
    every = max(steps // MOMENTS, 1)

    def look(step: int, weights: Tensor) -> None:
        if phase == "fgm" and step == setting.short_steps:
            stages.weights["fgm_short"] = weights.clone()  # training goes on in place
        if step % every and step != steps:
            return
        beta = setting.schedule(step) if phase == "clean" else setting.schedule.late
        net = SymmetricNet.ruled(weights, beta, setting.descent.sigma_rho)
        seen = unit_statistics(units(weights, stages.world), setting.k)
        statistics = {name: seen[name] for name in ("alpha", "mixture", "epsilon")}
        statistics |= {"accuracy": accuracy(net, probe), "pgd": pgd_accuracy(net, probe, setting.radius)}
        stages.course.append(CourseMoment(phase, step, statistics))

    return look
