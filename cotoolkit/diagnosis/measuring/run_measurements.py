"""All measurements of one network, in order: which attack runs on which points, and what is shared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from cotoolkit.attacks.margin import margin_attack, margin_card
from cotoolkit.attacks.square import square_attack
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.seeding import generator
from cotoolkit.data.subsets import stratified
from cotoolkit.diagnosis.budget import Budget
from cotoolkit.diagnosis.inputs.warnings_found import Finding
from cotoolkit.diagnosis.judging import thresholds
from cotoolkit.diagnosis.measurements import Attack, ClassRow, Family, Measurements
from cotoolkit.diagnosis.measuring import landscape
from cotoolkit.diagnosis.measuring.autoattack import autoattack
from cotoolkit.diagnosis.measuring.fgsm_segment import OneStep, one_step, segment
from cotoolkit.diagnosis.measuring.output_checks import output_checks
from cotoolkit.diagnosis.measuring.statistics import duel, rate, renamed, rise
from cotoolkit.evaluation.protocol import Protocol, evaluate, named_protocol
from cotoolkit.runs.checkpoints import Points

Progress = Callable[[str, int, int], None]
"""Called with what is measured now, how many parts are done, and how many there are."""

STAGES = 13
"""Parts that progress is told of; AutoAttack makes one more."""

BATCH, PIXELS = 256, 256 * 3 * 64 * 64
"""Points that go through the network together, and the most numbers of their images, so that large images fit too."""


class Measured(NamedTuple):
    """The measurements, with what belongs to them.

    Attributes:
        measurements: all of them.
        cards: protocol cards by the hash that the measurements refer to.
        few: number of few points.
        findings: what could not be measured.
    """

    measurements: Measurements
    cards: dict[str, dict[str, Any]]
    few: int
    findings: list[Finding]


def measure(
    model: nn.Module,
    points: Points,
    threat: ThreatModel,
    budget: Budget,
    *,
    seed: int = 0,
    with_autoattack: bool = False,
    progress: Progress | None = None,
) -> Measured:
    """Take all measurements of a network.

    Args:
        model: logits out, on the device of the points.
        points: to attack, with at least one image.
        threat: linf.
        budget: how much to spend.
        seed: of every random number.
        with_autoattack: whether to run it too.
        progress: see `Progress`.
    """
    images, labels, classes = points
    batch_size = max(1, min(BATCH, PIXELS // images[0].numel()))
    session = _Session(model, threat, seed, batch_size, STAGES + with_autoattack, progress)
    chosen = stratified(labels.cpu(), min(budget.few, len(labels)), generator(seed, "diagnosis")).to(labels.device)
    few, true = images[chosen], labels[chosen]

    session.begin("FGSM at growing radii")
    whole = one_step(model, images, labels, threat, budget.fgsm_radii, batch_size)
    found = OneStep(whole.clean[chosen], whole.correct[:, chosen], *(part[chosen] for part in whole[2:]))
    clean = session.attack("clean", "clean", named_protocol("clean"), threat, whole.clean)
    fgsm = tuple(
        session.attack("fgsm", "single-step", named_protocol("fgsm"), threat.scaled(multiple), correct)
        for multiple, correct in zip(budget.fgsm_radii, whole.correct, strict=True)
    )
    fgsm_correct = whole.correct[budget.fgsm_radii.index(1.0)]

    session.begin("PGD on all points")
    protocol = Protocol(steps=budget.steps)
    robust = session.pgd(images, labels, threat, protocol)
    pgd = session.attack(f"pgd-{budget.steps}", "multi-step", protocol, threat, robust)

    session.begin("PGD with growing numbers of steps")
    step_attacks, step_correct = [], []
    for steps in budget.step_grid:
        protocol = Protocol(steps=steps, step_size=max(0.25, min(1.25, 2.5 / steps)), last_only=True)
        step_correct.append(session.pgd(few, true, threat, protocol))
        step_attacks.append(session.attack(f"pgd-{steps}", "multi-step", protocol, threat, step_correct[-1]))

    session.begin("PGD at growing radii")
    radius_attacks = []
    for multiple in budget.pgd_radii:
        ball, protocol = threat.scaled(multiple), Protocol(steps=budget.radius_steps)
        held = session.pgd(few, true, ball, protocol)
        radius_attacks.append(session.attack(f"pgd-{budget.radius_steps}", "multi-step", protocol, ball, held))

    session.begin("PGD without a radius")
    anywhere, protocol = ThreatModel(1.0), Protocol(steps=20, step_size=0.1, random_start=False)
    unbounded = session.attack("pgd-20", "multi-step", protocol, anywhere, session.pgd(few, true, anywhere, protocol))

    strong, holding = _strong(session, few, true, budget)

    session.begin("the loss around the images")
    delta = threat.project(images, threat.epsilon * threat.steepest(whole.gradient))
    deltas = (delta[chosen], landscape.pgd_delta(model, few, true, threat, seed=seed, batch_size=batch_size))
    part = slice(budget.hessian_points)
    eigenvalues, findings = landscape.eigenvalues(model, few[part], true[part], found.gradient[part], seed)
    signals = landscape.signals(model, few, true, threat, found, deltas, eigenvalues, seed=seed, batch_size=batch_size)

    session.begin("between the images and their FGSM examples")
    between = segment(model, images, labels, threat, delta, budget.segment, batch_size)

    session.begin("the loss surface")
    part = slice(budget.surface_points)
    surface = landscape.surface(model, few[part], true[part], threat, deltas[0][part], budget.surface, seed)

    session.begin("outputs and gradients")
    masking = output_checks(model, few, whole)
    tried = None
    if with_autoattack:
        session.begin("AutoAttack")
        randomised = masking.logit_spread > thresholds.RANDOMISED
        tried = autoattack(
            model, few, true, threat, classes=classes, seed=seed, randomised=randomised, batch_size=batch_size
        )
    session.end()

    measurements = Measurements(
        classes=classes,
        clean=clean,
        renamed=renamed(whole.logits, labels),
        fgsm=fgsm,
        pgd=pgd,
        few_clean=session.attack("clean", "clean", named_protocol("clean"), threat, found.clean),
        pgd_steps=tuple(step_attacks),
        pgd_radii=tuple(radius_attacks),
        strong=strong,
        worst=rate(torch.stack(holding).all(0)),
        unbounded=unbounded,
        radius_rise=rise(budget.fgsm_radii, whole.correct),
        step_rise=rise(budget.step_grid, torch.stack(step_correct)),
        duels=tuple(
            duel(attack.name, strong[0].name, held, holding[0])
            for attack, held in zip(strong[1:], holding[1:], strict=True)
        ),
        signals=signals,
        segment=between,
        surface=surface,
        spectrum=landscape.spectrum(*deltas, seed),
        masking=masking,
        per_class=_per_class(labels, classes, whole.clean, fgsm_correct, robust),
        autoattack=tried,
    )
    return Measured(measurements, session.cards, len(few), findings)


def _strong(
    session: _Session, images: Tensor, labels: Tensor, budget: Budget
) -> tuple[tuple[Attack, ...], list[Tensor]]:
    """The strongest PGD and three attacks that check it, each on all points, and which points hold under each."""
    model, threat = session.model, session.threat
    session.begin("PGD with restarts")
    protocol = Protocol(steps=budget.strong_steps, restarts=budget.restarts)
    holding = [session.pgd(images, labels, threat, protocol)]
    name = f"pgd-{budget.strong_steps}-{budget.restarts}"
    attacks = [session.attack(name, "multi-step", protocol, threat, holding[0])]

    runs: tuple[tuple[str, Family, int, int], ...] = (
        ("margin", "margin", budget.margin_steps, 0),
        ("smoothed", "smoothed", budget.smoothed_steps, budget.smoothed_draws),
    )
    for position, (kind, family, steps, draws) in enumerate(runs):
        session.begin(f"PGD on the margin, {kind}" if draws else "PGD on the margin")
        source = generator(session.seed, "diagnosis", 10 + position)
        held = margin_attack(
            model, images, labels, threat,
            steps=steps, draws=draws, generator=source, batch_size=session.batch_size,
        )  # fmt: skip
        holding.append(held)
        card = margin_card(threat, steps, draws)
        attacks.append(session.attack(f"{kind}-{steps}", family, card, threat, held, steps=steps))

    session.begin("the Square attack")
    source = generator(session.seed, "diagnosis", 12)
    held = square_attack(model, images, labels, threat, queries=budget.queries, generator=source)
    holding.append(held)
    card = {"attack": "square", "queries": budget.queries, "restarts": 1}
    attacks.append(session.attack(f"square-{budget.queries}", "black-box", card, threat, held, steps=budget.queries))
    return tuple(attacks), holding


class _Session:
    """What all measurements of one network share: the network, the threat, the cards they leave, the progress."""

    def __init__(
        self,
        model: nn.Module,
        threat: ThreatModel,
        seed: int,
        batch_size: int,
        stages: int,
        progress: Progress | None,
    ) -> None:
        self.model, self.threat, self.seed, self.batch_size = model, threat, seed, batch_size
        self.cards: dict[str, dict[str, Any]] = {}
        self._stages, self._done, self._progress = stages, 0, progress

    def begin(self, what: str) -> None:
        if self._progress is not None:
            self._progress(what, self._done, self._stages)
        self._done += 1

    def end(self) -> None:
        if self._progress is not None:
            self._progress("done", self._stages, self._stages)

    def pgd(self, images: Tensor, labels: Tensor, threat: ThreatModel, protocol: Protocol) -> Tensor:
        found = evaluate(self.model, images, labels, threat, protocol, seed=self.seed, batch_size=self.batch_size)
        return found.correct

    def attack(
        self,
        name: str,
        family: Family,
        protocol: Protocol | dict[str, Any],
        threat: ThreatModel,
        held: Tensor,
        *,
        steps: int | None = None,
    ) -> Attack:
        """The record of an attack, its card filed under its hash."""
        if isinstance(protocol, Protocol):
            card = protocol.card(threat)
            steps, restarts = protocol.steps, protocol.restarts
        else:
            card = {**protocol, "threat": str(threat), "robust_if": "no step of no restart fooled it"}
            card["hash"] = hashlib.sha256(json.dumps(card, sort_keys=True).encode()).hexdigest()[:12]
            restarts = 1
        self.cards[card["hash"]] = card
        return Attack(
            name=name,
            family=family,
            epsilon=0.0 if family == "clean" else threat.epsilon,
            steps=steps or 0,
            restarts=restarts,
            accuracy=rate(held),
            card=card["hash"],
        )


def _per_class(labels: Tensor, classes: int, clean: Tensor, fgsm: Tensor, pgd: Tensor) -> tuple[ClassRow, ...]:
    rows = []
    for label in range(classes):
        own = labels == label
        if own.any():
            shares = {"clean": rate(clean[own]), "fgsm": rate(fgsm[own]), "pgd": rate(pgd[own])}
            rows.append(ClassRow(label=label, points=int(own.sum()), **shares))
    return tuple(rows)
