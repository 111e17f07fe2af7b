"""All measurements of one network, in order, and their assembly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from cotoolkit.attacks.stand_ins import Averaged
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.data.points import Points
from cotoolkit.diagnosis.budget import Budget
from cotoolkit.diagnosis.evidence.optimality import optimality_of
from cotoolkit.diagnosis.evidence.signals import evidence_signals
from cotoolkit.diagnosis.measurements import (
    ClassRow,
    Masking,
    Measurements,
    PerturbationSpectrum,
    Segment,
    Signal,
    Surface,
)
from cotoolkit.diagnosis.measuring import landscape
from cotoolkit.diagnosis.measuring.attack_runs import AttackRuns, Progress, Session, run_attacks
from cotoolkit.diagnosis.measuring.autoattack import AutoAttackRun, run_autoattack
from cotoolkit.diagnosis.measuring.fgsm_segment import FgsmSweep, fgsm_sweep, segment
from cotoolkit.diagnosis.measuring.last_attacks import LastAttacks, last_attacks
from cotoolkit.diagnosis.measuring.output_checks import output_checks
from cotoolkit.diagnosis.measuring.statistics import accuracy_regain, compare_attacks, rate_of, renamed_accuracy
from cotoolkit.diagnosis.points import PointOutcomes, few_points, point_outcomes
from cotoolkit.diagnosis.thresholds import RANDOMISED
from cotoolkit.intake.findings import Finding

STAGES = 17
"""Parts that progress is told of; a second opinion makes one more."""

DRAWS = 8
"""Passes of a random network that the strong attacks average over."""

BATCH, PIXELS = 256, 256 * 3 * 64 * 64
"""Points that go through the network together, and the most numbers of their images, so that large images fit too."""


Wanted = Callable[[Measurements], bool]
"""Whether these measurements call for a second opinion."""


class MeasuredNetwork(NamedTuple):
    """The measurements, with what belongs to them.

    Attributes:
        measurements: all of them.
        cards: protocol cards by the hash that the measurements refer to.
        few: number of few points.
        outcomes: which attacks each point withstood.
        findings: what could not be measured.
    """

    measurements: Measurements
    cards: dict[str, dict[str, Any]]
    few: int
    outcomes: PointOutcomes
    findings: list[Finding]


def run_measurements(
    model: nn.Module,
    points: Points,
    threat: ThreatModel,
    budget: Budget,
    *,
    places: Tensor | None = None,
    seed: int = 0,
    second_opinion: Wanted | None = None,
    progress: Progress | None = None,
) -> MeasuredNetwork:
    """Take all measurements of a network.

    Args:
        model: logits out, on the device of the points.
        points: to attack, with at least one image.
        threat: linf.
        budget: how much to spend.
        places: (N,) int64, of the points in the data they come from; None numbers them as they are.
        seed: of every random number.
        second_opinion: says of the measurements whether AutoAttack is to be run on what is left; None for never.
        progress: see `Progress`.

    Returns:
        The measurements, their protocol cards, and what was met on the way.
    """
    images, labels, classes = points
    batch_size = batch_size_for(images)
    session = Session(model, threat, seed, batch_size, STAGES + (second_opinion is not None), progress)
    chosen = few_points(labels, budget.few, seed)
    few = Points(images[chosen], labels[chosen], classes)

    session.begin("FGSM at growing radii")
    sweep = fgsm_sweep(model, images, labels, threat, budget.fgsm_radii, batch_size)
    session.begin("outputs and gradients")
    masking = output_checks(model, few.images, sweep)
    randomised = masking.logit_spread > RANDOMISED
    if randomised:  # else a point would count as fooled by the worst of hundreds of draws
        session.strong_model = Averaged(model, DRAWS)
    attacks = run_attacks(session, points, few, (sweep, sweep.pick(chosen)), budget)
    last = _last(session, few, attacks, masking, budget)
    loss = _around_the_images(session, points, few, chosen, sweep, budget)

    measurements = _assembled(points, budget, sweep, chosen, attacks, last, loss, masking)
    opinion: AutoAttackRun | None = None
    if second_opinion is not None:
        session.begin("a second opinion")
        if second_opinion(measurements):
            opinion = _second_opinion(session, few, last.held, randomised=randomised)
            measurements = measurements.model_copy(update={"autoattack": opinion.record})
    session.end()
    places = torch.arange(len(labels), device="cpu") if places is None else places
    outcomes = point_outcomes(places, labels, chosen, *_held(attacks, last, opinion, budget))
    return MeasuredNetwork(measurements, session.cards, len(few.labels), outcomes, loss.findings)


def _held(
    attacks: AttackRuns, last: LastAttacks, opinion: AutoAttackRun | None, budget: Budget
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Which points withstood the attacks at epsilon and FGSM at all radii, by name: all points, and the few."""
    names = ["fgsm" if multiple == 1 else f"fgsm@{multiple:g}" for multiple in budget.fgsm_radii]
    steps = {name: run.held for name, run in zip(names, attacks.fgsm, strict=True)}
    on_all = {"clean": attacks.clean.held, **steps, attacks.pgd.record.name: attacks.pgd.held}
    strong = {run.record.name: run.held for run in attacks.strong}
    left = {run.record.name: run.held for run in last.runs}
    on_few = {**strong, "pgd-converged": attacks.converged, **left}
    return on_all, on_few if opinion is None else {**on_few, "autoattack": opinion.held}


def _last(session: Session, few: Points, attacks: AttackRuns, masking: Masking, budget: Budget) -> LastAttacks:
    """The last attacks, with what there is to doubt about gradients."""
    cut, broken = (share is not None and share.value > 0 for share in (masking.zero_gradients, masking.nan_gradients))
    by_gradient = [run.held for run in attacks.strong if run.record.family in ("multi-step", "margin")]
    others = [run.held for run in attacks.strong if run.record.family in ("smoothed", "black-box")]
    missed = torch.stack([attacks.converged, *by_gradient]).all(0) & ~torch.stack(others).all(0)
    doubtful = cut or broken or masking.logit_spread > RANDOMISED or bool(missed.any())
    return last_attacks(session, few, attacks.held, budget, cut=cut, doubtful=doubtful)


class _Landscape(NamedTuple):
    """What the loss around the images gives, by the fields of `Measurements`; and what could not be measured."""

    signals: tuple[Signal, ...]
    segment: Segment
    surface: Surface
    spectrum: PerturbationSpectrum
    findings: list[Finding]


def _around_the_images(
    session: Session, points: Points, few: Points, chosen: Tensor, sweep: FgsmSweep, budget: Budget
) -> _Landscape:
    model, threat, seed, batch_size = session.model, session.threat, session.seed, session.batch_size
    images, labels = few.images, few.labels

    session.begin("the loss around the images")
    delta = threat.project(points.images, threat.epsilon * threat.steepest(sweep.gradient))
    deltas = (delta[chosen], landscape.pgd_delta(model, images, labels, threat, seed=seed, batch_size=batch_size))
    found, part = sweep.pick(chosen), slice(budget.hessian_points)
    eigenvalues, findings = landscape.eigenvalues(model, images[part], labels[part], found.gradient[part], seed)
    values = landscape.signals(
        model, images, labels, threat, found, deltas, eigenvalues, seed=seed, batch_size=batch_size
    )
    session.begin("steps for every class, noise, and the steps of PGD")
    values |= evidence_signals(model, images, labels, threat, found, budget, seed)
    signals = tuple(landscape.signal_of(name, value) for name, value in values.items())

    session.begin("between the images and their FGSM examples")
    between = segment(model, points.images, points.labels, threat, delta, budget.segment, batch_size)

    session.begin("the loss surface")
    part = slice(budget.surface_points)
    surface = landscape.surface(model, images[part], labels[part], threat, deltas[0][part], budget.surface, seed)
    return _Landscape(signals, between, surface, landscape.perturbation_spectra(*deltas, seed), findings)


def batch_size_for(images: Tensor) -> int:
    """How many of (N, C, H, W) go through a network together: fewer of large ones."""
    return max(1, min(BATCH, PIXELS // images[0].numel()))


def _second_opinion(session: Session, few: Points, left: Tensor, *, randomised: bool) -> AutoAttackRun:
    with torch.no_grad():  # of the classes, the points may show but the first ones
        outputs = session.model(few.images[:1]).shape[1]
    return run_autoattack(
        session.model, few.images, few.labels, session.threat,
        left=left, classes=outputs, seed=session.seed, randomised=randomised, batch_size=session.batch_size,
    )  # fmt: skip


def _assembled(
    points: Points,
    budget: Budget,
    sweep: FgsmSweep,
    chosen: Tensor,
    attacks: AttackRuns,
    last: LastAttacks,
    loss: _Landscape,
    masking: Masking,
) -> Measurements:
    strongest, *others = attacks.strong
    fgsm_held = attacks.fgsm[budget.fgsm_radii.index(1.0)].held
    return Measurements(
        classes=points.classes,
        clean=attacks.clean.record,
        renamed=renamed_accuracy(sweep.logits, points.labels),
        fgsm=tuple(run.record for run in attacks.fgsm),
        pgd=attacks.pgd.record,
        few_clean=attacks.few_clean.record,
        pgd_steps=tuple(run.record for run in attacks.pgd_steps),
        pgd_radii=tuple(run.record for run in attacks.pgd_radii),
        strong=tuple(run.record for run in attacks.strong),
        convergence=attacks.convergence,
        last=tuple(run.record for run in last.runs),
        late=rate_of(last.late),
        worst=rate_of(last.held),
        unbounded=attacks.unbounded.record,
        radius_rise=accuracy_regain(budget.fgsm_radii, sweep.correct),
        step_rise=accuracy_regain(budget.step_grid, torch.stack([run.held for run in attacks.pgd_steps])),
        duels=tuple(
            compare_attacks(run.record.name, strongest.record.name, run.held, strongest.held) for run in others
        ),
        optimality=optimality_of(
            attacks.few_clean.held,
            dict(zip(budget.fgsm_radii, sweep.correct[:, chosen], strict=True)),
            {multiple: run.held for multiple, run in zip(budget.pgd_radii, attacks.pgd_radii, strict=True)},
            last.held,
        ),
        signals=loss.signals,
        segment=loss.segment,
        surface=loss.surface,
        spectrum=loss.spectrum,
        masking=masking,
        per_class=_per_class(points, attacks.clean.held, fgsm_held, attacks.pgd.held),
        autoattack=None,
    )


def _per_class(points: Points, clean: Tensor, fgsm: Tensor, pgd: Tensor) -> tuple[ClassRow, ...]:
    rows = []
    for label in range(points.classes):
        own = points.labels == label
        if own.any():
            shares = {"clean": rate_of(clean[own]), "fgsm": rate_of(fgsm[own]), "pgd": rate_of(pgd[own])}
            rows.append(ClassRow(label=label, points=int(own.sum()), **shares))
    return tuple(rows)
