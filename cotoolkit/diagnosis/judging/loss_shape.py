"""What the shape of the loss says: signals compared with published values, which decide nothing alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cotoolkit.diagnosis import thresholds as at
from cotoolkit.diagnosis.evidence.label_steps import BLIND
from cotoolkit.diagnosis.measurements import Measurements
from cotoolkit.diagnosis.schema import CO, MASKING, NOT_ROBUST, OURS, ROBUST, Evidence
from cotoolkit.diagnosis.shares import Mean

ANDRIUSHCHENKO = f"{OURS}, after Andriushchenko & Flammarion, 2020"


class _Shape(NamedTuple):
    """A signal with the values beyond which it says something, and what it is of; `bent` below `straight` or above."""

    name: str
    bent: float
    straight: float
    source: str
    what: str
    if_bent: str
    if_straight: str


SHAPES = (
    _Shape("gradient_alignment", at.UNALIGNED, at.ALIGNED, ANDRIUSHCHENKO,
           "The cosine of the gradients at a point and at a random neighbour in the ball", "they have little in common",
           "they agree"),
    _Shape("perturbation_alignment", at.PERTURBATIONS_APART, at.PERTURBATIONS_ALIKE, at.TABLE_3,
           "The cosine of the FGSM and the PGD perturbation of a point", "they have little in common", "they agree"),
    _Shape("step_collinearity", at.STEPS_APART, at.STEPS_ALIKE, at.TABLE_3,
           "The cosine of PGD's first step and a later one", "PGD turns all the time", "PGD goes one way"),
    _Shape("linearisation_error", at.BENT, at.STRAIGHT, at.TABLE_3,
           "The error of the loss's tangent at corners of the ball, as a share of the loss",
           "a gradient does not say where the loss goes", "the loss is nearly straight"),
)  # fmt: skip


def shape_evidence(found: Measurements, epsilon: float) -> Iterator[Evidence]:
    """What the signals say, each where its whole interval lies beyond a threshold.

    Args:
        found: all measurements.
        epsilon: radius they were made for.

    Returns:
        One observation after the other.
    """
    for shape in SHAPES:
        mean = found.signal(shape.name).mean
        if mean is not None:
            yield from _on_shape(shape, mean)
    yield from _on_labels(found, epsilon)
    yield from _on_noise(found)


def _on_shape(shape: _Shape, mean: Mean) -> Iterator[Evidence]:
    rising = shape.bent > shape.straight
    # The error's mean may be that of a few points with a loss near 0, so the median has to agree.
    bent = min(mean.low, mean.median) >= shape.bent if rising else max(mean.high, mean.median) < shape.bent
    straight = max(mean.high, mean.median) < shape.straight if rising else min(mean.low, mean.median) >= shape.straight
    says = f"{shape.what} is {mean.value:.3g} on average"
    if bent:
        yield Evidence.of_rate(
            shape.name, mean, shape.bent, shape.source, (CO, MASKING, NOT_ROBUST), (ROBUST,),
            f"{says}: {shape.if_bent}.",
        )  # fmt: skip
    if straight:
        yield Evidence.of_rate(
            shape.name, mean, shape.straight, shape.source, (ROBUST, NOT_ROBUST), (CO,), f"{says}: {shape.if_straight}."
        )


def _on_labels(found: Measurements, epsilon: float) -> Iterator[Evidence]:
    carried = found.signal("label_information").mean
    if carried is not None:
        shown = carried.low >= at.CARRIES
        blind = " At this radius that says little: its source saw 54 % after a breakpoint at 8/255." if (
            epsilon < BLIND and not shown) else ""  # fmt: skip
        yield Evidence.of_rate(
            "label_information", carried, at.CARRIES, f"{OURS}; LIET, ICCV 2025: 0.82 at 16/255",
            (CO,) if shown else (), (ROBUST,) if shown else (),
            f"{100 * carried.value:.0f} % of the classes become likelier by a step away from them on a grey image"
            f"{', more than chance makes: perturbations carry labels' if shown else ''}.{blind}",
        )  # fmt: skip
    for name, threshold, sentence in (
        ("self_fitting", max(at.SELF_FITTED, at.least_accuracy(found.classes)), "are predicted after a step away"),
        ("self_defeating_step", at.SELF_FITTED, "become likelier by a step away"),
    ):
        mean = found.signal(name).mean
        if mean is not None and mean.low >= threshold:
            yield Evidence.of_rate(
                name, mean, threshold, f"{OURS}; He et al., 2023", (CO,), (ROBUST,),
                f"{100 * mean.value:.0f} % of the classes {sentence} from them at the image itself: the network fits "
                "what it does to itself.",
            )  # fmt: skip


def _on_noise(found: Measurements) -> Iterator[Evidence]:
    mean = found.signal("unstable_prediction").mean
    if mean is not None and mean.low >= at.UNSTABLE:
        yield Evidence.of_rate(
            "unstable_prediction", mean, at.UNSTABLE, f"{OURS}; I2: Pintor et al., NeurIPS 2022, give none", (), (),
            f"Noise of 4/255 changes the loss by {100 * mean.value:.0f} % of itself on average: attacks that follow it "
            "may fail, or it is nearly 0 on sure points.",
        )  # fmt: skip
