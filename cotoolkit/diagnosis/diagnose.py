"""From a finished network and some data to a verdict: `cotoolkit.diagnose`."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import nn

from cotoolkit.attacks.gradient import attack_mode
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.device import Device, available
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import parse_number
from cotoolkit.core.seeding import fork_global_rng
from cotoolkit.data import DataConfig, ImageSet
from cotoolkit.diagnosis.budget import Budget, budget_of
from cotoolkit.diagnosis.inputs.links import Linked, link_of
from cotoolkit.diagnosis.inputs.model import PerChannel, subject_of
from cotoolkit.diagnosis.inputs.points import points_of, states_classes
from cotoolkit.diagnosis.inputs.warnings_found import warning
from cotoolkit.diagnosis.judging.verdict import judge
from cotoolkit.diagnosis.measuring.autoattack import check_installed
from cotoolkit.diagnosis.measuring.pass_counter import Counted
from cotoolkit.diagnosis.measuring.run_measurements import Progress, measure
from cotoolkit.diagnosis.schema import Diagnosis, Environment, Protocol
from cotoolkit.runs.environment import environment

LOOKED_AT = 64
"""Images whose outputs decide whether these are probabilities."""


def diagnose(
    model: nn.Module,
    data: Any,
    *,
    epsilon: float | str,
    budget: str | Budget = "standard",
    mean: PerChannel | None = None,
    std: PerChannel | None = None,
    bounds: tuple[float, float] = (0.0, 1.0),
    points: int | None = None,
    device: Device = "auto",
    seed: int = 0,
    autoattack: bool = False,
    progress: Progress | None = None,
) -> Diagnosis:
    """Is a finished network robust, catastrophically overfitted, masking its gradients, or never robust?

        diagnose(model, (images, labels), epsilon="8/255").verdict.label

    The threat is the linf ball, clipped to the range of the pixels. The network's modes, statistics, gradients and
    flags are left as they were. Equal arguments give equal numbers on a CPU.

    Args:
        model: from images (B, C, H, W) to logits (B, classes); where it returns probabilities, attacks follow the
            logits recovered from them.
        data: a pair (images, labels), a Dataset, a DataLoader, or the name of a data set, whose test split is taken;
            see `points_of`.
        epsilon: radius in [0, 1] units, whatever the bounds: a share of high - low; "8/255" is accepted.
        budget: quick, standard or thorough, or a `Budget`.
        mean: subtracted from the pixels before the model, in units of the bounds; None where it does so itself.
        std: by which the difference is divided.
        bounds: (low, high) of the pixels as the data have them and the model takes them before `mean` and `std`.
        points: images to measure on; None for the budget's number.
        device: "auto" takes a GPU if there is one.
        seed: of the choice of points and of all random starts.
        autoattack: run AutoAttack on the few points too (extra `cotoolkit[eval]`; slow).
        progress: called with what is measured now, how many parts are done, and how many there are.

    Raises:
        ConfigError: a radius that is not above 0 and at most 1, an unknown budget, AutoAttack not installed.
        DataError: data that cannot be measured on.
        ModelError: a network that cannot be measured.
    """
    started = time.perf_counter()
    radius, spent = radius_of(epsilon), budget_of(budget)
    if autoattack:
        check_installed()
    place = available(device)
    chosen = points_of(data, points=spent.points if points is None else points, seed=seed, bounds=bounds)
    images, labels, classes = chosen
    shape = (images.shape[1], images.shape[2], images.shape[3])
    subject, findings = subject_of(
        model,
        classes=classes,
        shape=shape,
        device=place,
        mean=mean,
        std=std,
        bounds=bounds,
        exact=states_classes(data),
    )
    ball = ThreatModel(radius)
    here = chosen._replace(images=images.to(place), labels=labels.to(place))
    with attack_mode(subject, "eval"), fork_global_rng(seed, "layers"):
        with torch.no_grad():
            link, said = link_of(subject(here.images[:LOOKED_AT]))
        counted = Counted(Linked(subject, link))
        found = measure(counted, here, ball, spent, seed=seed, with_autoattack=autoattack, progress=progress)
    findings += said + found.findings
    if found.measurements.masking.broken_outputs:
        share = found.measurements.masking.broken_outputs
        findings.append(warning(f"{100 * share:.0f} % of the outputs are nan or infinite; they count as wrong"))
    return Diagnosis(
        verdict=judge(found.measurements, radius),
        measurements=found.measurements,
        findings=tuple(findings),
        protocol=Protocol(
            epsilon=radius,
            bounds=bounds,
            seed=seed,
            budget=spent,
            points=len(labels),
            few=found.few,
            shape=shape,
            link=link.name,
            cards=found.cards,
        ),
        environment=Environment(
            model=type(subject.network).__name__,
            parameters=sum(parameter.numel() for parameter in subject.network.parameters()),
            data=_name(data),
            device=place,
            versions={name: str(value) for name, value in environment(place).items()},
            seconds=time.perf_counter() - started,
            forward_passes=counted.forwards,
            backward_passes=counted.backwards,
        ),
    )


def radius_of(epsilon: float | str) -> float:
    """A radius as a number.

    Raises:
        ConfigError: it is none, or is not above 0 and at most 1.
    """
    try:
        radius = float(parse_number(epsilon))
    except ValueError as error:
        raise ConfigError(f"epsilon: {error}") from None
    if not 0 < radius <= 1:
        raise ConfigError(f"epsilon is {epsilon}; give a share of the pixel range above 0 and at most 1, such as 8/255")
    return radius


def _name(data: Any) -> str:
    """What the data are called."""
    if isinstance(data, str):
        return data
    if isinstance(data, DataConfig | ImageSet):
        return data.name
    return "images and labels" if isinstance(data, tuple | list) else type(data).__name__
