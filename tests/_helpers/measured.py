"""Measurements made up for tests of the verdict: accuracies are set, intervals follow."""

from __future__ import annotations

import torch

from cotoolkit.diagnosis.budget import BUDGETS
from cotoolkit.diagnosis.evidence.records import Convergence, Optimality
from cotoolkit.diagnosis.judging.verdict import reach_verdict
from cotoolkit.diagnosis.landscape import AttackWay
from cotoolkit.diagnosis.measurements import (
    AccuracyRegain,
    AttackAccuracy,
    AttackComparison,
    AutoAttackResult,
    ClassRow,
    Masking,
    Measurements,
    PerturbationSpectrum,
    Segment,
    Signal,
    Surface,
)
from cotoolkit.diagnosis.measuring.statistics import rate_of
from cotoolkit.diagnosis.points import PointOutcomes
from cotoolkit.diagnosis.schema import Diagnosis, DiagnosisProtocol, Environment, VerdictAt, VerdictChange
from cotoolkit.diagnosis.shares import Mean, Rate
from cotoolkit.intake.findings import warning

EPSILON = 0.1


def share(value: float, points: int) -> Rate:
    return rate_of(torch.arange(points) < round(value * points))


def attack(name: str, family: str, value: float, points: int, multiple: float = 1.0, steps: int = 1) -> AttackAccuracy:
    return AttackAccuracy(
        name=name,
        family=family,
        epsilon=multiple * EPSILON,
        steps=steps,
        restarts=1,
        accuracy=share(value, points),
        card="none",
    )


def mean(value: float, half: float = 0.02) -> Mean:
    return Mean(value=value, low=value - half, high=value + half, median=value, points=128)


def measurements(
    *,
    clean: float = 0.9,
    renamed: float | None = None,
    fgsm: float = 0.6,
    pgd: float = 0.5,
    worst: float = 0.48,
    classes: int = 10,
    points: int = 1000,
    few: int = 128,
    rise: AccuracyRegain | None = None,
    step_rise: AccuracyRegain | None = None,
    duels: dict[str, tuple[int, int, float]] | None = None,
    alignment: float = 0.8,
    abnormal: float = 0.0,
    distorted: float = 0.0,
    zero: float = 0.0,
    spread: float = 0.0,
    unbounded: float = 0.0,
    strong: float | None = None,
    pgd_radii: dict[float, float] | None = None,
    longest: float | None = None,
    converged: bool = True,
    late: float = 0.0,
    shapes: dict[str, float] | None = None,
    opinion: float | None = None,
    gradient: float = 0.1,
) -> Measurements:
    """A robust network, but for what is given; duels are (only challenger, only champion, p) by family."""
    still = AccuracyRegain(weak=1, strong=1, accuracy=0, rise=0, low=-0.01, high=0.01, p_value=1)
    peak = () if rise is None or rise.strong <= 1 else (rise,)
    champion = pgd if strong is None else strong
    families = ("margin", "smoothed", "black-box")
    fought = {family: (duels or {}).get(family, (0, 10, 1.0)) for family in families}
    return Measurements(
        classes=classes,
        clean=attack("clean", "clean", clean, points, 0, 0),
        renamed=share(clean if renamed is None else renamed, points // 2),
        fgsm=(
            attack("fgsm", "single-step", (clean + fgsm) / 2, points, 0.5),
            attack("fgsm", "single-step", fgsm, points),
            *(attack("fgsm", "single-step", one.accuracy, points, one.strong) for one in peak),
        ),
        pgd=attack("pgd-20", "multi-step", pgd, points, steps=20),
        few_clean=attack("clean", "clean", clean, few, 0, 0),
        pgd_steps=(attack("pgd-1", "multi-step", fgsm, few), attack("pgd-20", "multi-step", pgd, few, steps=20)),
        pgd_radii=tuple(
            attack("pgd-10", "multi-step", value, few, multiple, 10)
            for multiple, value in (pgd_radii or {1.0: pgd}).items()
        ),
        strong=(
            attack("pgd-50-3", "multi-step", champion, few, steps=50),
            *(attack(f"{family}-20", family, champion, few, steps=20) for family in families),
        ),
        convergence=Convergence(
            steps=(10, 20),
            accuracy=(share(pgd, few), share(pgd if longest is None else longest, few)),
            falling=share(0.0 if converged else 0.05, few),
            unsettled=None,
            converged=converged,
        ),
        last=(attack("targeted-20-3", "targeted", worst, few, steps=20),),
        late=share(late, few),
        worst=share(worst, few),
        unbounded=attack("pgd-20", "multi-step", unbounded, few, 10, 20),
        radius_rise=rise or still,
        step_rise=step_rise or still,
        duels=tuple(
            AttackComparison(
                challenger=f"{family}-20",
                champion="pgd-50-3",
                only_challenger=won,
                only_champion=lost,
                unfooled=round(champion * few),
                p_value=p,
            )
            for family, (won, lost, p) in fought.items()
        ),
        optimality=Optimality(fgsm=0.9, pgd=None, radii=(0, 1)),
        signals=tuple(
            Signal(name=name, mean=mean(value), source="test", at_break=None)
            for name, value in {
                "gradient_alignment": alignment,
                "perturbation_alignment": alignment,
                "step_collinearity": 0.4,
                "linearisation_error": 1.0,
                "unstable_prediction": 0.1,
                "label_information": 0.3,
                "self_fitting": 0.05,
                "self_defeating_step": 0.05,
                **(shapes or {}),
            }.items()
        ),
        segment=Segment(
            fractions=(0, 1, 2),
            accuracy=(clean, fgsm, fgsm),
            median_loss=(0, 1, None),
            lower_loss=(0, 1, None),
            upper_loss=(0, 1, None),
            boundary_distortion=None,
            distorted=share(distorted, points),
            abnormal=share(abnormal, points),
            smallest_fooling_fraction=None,
        ),
        surface=Surface(along=(0, 1), across=(-1, 1), loss=((0, 1), (0, None)), accuracy=((1, 1), (1, 1)), points=8),
        spectrum=PerturbationSpectrum(fgsm=(0.5, 0.5), pgd=None, noise=(0.5, 0.5)),
        masking=Masking(
            logit_spread=spread,
            zero_gradients=share(zero, points),
            broken_outputs=0,
            median_gradient=gradient,
        ),
        per_class=(ClassRow(label=0, points=few, clean=share(clean, few), fgsm=share(fgsm, few), pgd=share(pgd, few)),),
        autoattack=None if opinion is None else _opinion(worst, opinion, few),
    )


def _opinion(worst: float, left: float, few: int) -> AutoAttackResult:
    tried = round(worst * few)
    return AutoAttackResult(
        version="standard", package="0", attacks=("square",), tried=tried, accuracy=share(left, few), seconds=1
    )


def risen(strong: float, accuracy: float, by: float, *, half: float = 0.03, p: float = 1e-9) -> AccuracyRegain:
    return AccuracyRegain(weak=0.5, strong=strong, accuracy=accuracy, rise=by, low=by - half, high=by + half, p_value=p)


def diagnosis() -> Diagnosis:
    found = measurements()
    return Diagnosis(
        verdict=reach_verdict(found, EPSILON),
        measurements=found,
        points=PointOutcomes(
            places=tuple(range(1000)),
            labels=(0,) * 1000,
            few=tuple(range(128)),
            held={"clean": "1" * 900 + "0" * 100, "fgsm": "1" * 600 + "0" * 400, "pgd-20": "1" * 500 + "0" * 500},
            few_held={"pgd-50-3": "1" * 64 + "0" * 64, "margin-20": "1" * 61 + "0" * 67},
        ),
        ways=tuple(
            AttackWay(
                attack=attack,
                fractions=(0, 0.5, 1, 1.5),
                accuracy=(0.9, 0.8, 0.6, 0.5),
                median_loss=(0, 0.5, 1, None),
                stepped_over=share(0, 128),
            )
            for attack in ("fgsm", "pgd-10")
        ),
        change=VerdictChange(
            looked=(VerdictAt(epsilon=EPSILON, label="robust", confidence="high", worst=share(0.48, 128)),),
            low=None,
            high=None,
            below=None,
            above=None,
        ),
        findings=(warning("an example"),),
        protocol=DiagnosisProtocol(
            epsilon=EPSILON,
            bounds=(0, 1),
            seed=0,
            budget=BUDGETS["quick"],
            points=1000,
            few=128,
            shape=(1, 8, 8),
            link="identity",
            cards={"none": {"attack": "none"}},
        ),
        environment=Environment(
            model="Net", parameters=3, data="digits", device="cpu", versions={"torch": "2"}, seconds=1.5,
            forward_passes=10, backward_passes=5,
        ),
    )  # fmt: skip
