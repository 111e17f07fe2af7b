"""From a finished network and some data to a verdict: `cotoolkit.diagnose`."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from cotoolkit.attacks.threat_model import Box, ThreatModel
from cotoolkit.core.device import Device, available
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.seeding import fork_global_rng
from cotoolkit.data import DataConfig, ImageSet
from cotoolkit.data.points import Points
from cotoolkit.diagnosis.budget import Budget, budget_of
from cotoolkit.diagnosis.change import change_of_verdict
from cotoolkit.diagnosis.judging.evidence import broken_points
from cotoolkit.diagnosis.judging.verdict import reach_verdict, rests_on_points_left
from cotoolkit.diagnosis.landscape import AttackWay, attack_ways
from cotoolkit.diagnosis.measurements import Measurements
from cotoolkit.diagnosis.measuring.attack_runs import Progress
from cotoolkit.diagnosis.measuring.autoattack import check_installed, installed
from cotoolkit.diagnosis.measuring.pass_counter import PassCounter
from cotoolkit.diagnosis.measuring.run_measurements import (
    MeasuredNetwork,
    Wanted,
    batch_size_for,
    run_measurements,
)
from cotoolkit.diagnosis.schema import Diagnosis, DiagnosisProtocol, Environment, VerdictChange
from cotoolkit.intake.door import LOOKED_AT, ModelOptions, outside_inference
from cotoolkit.intake.findings import Finding, handled, warning
from cotoolkit.intake.model import Forward, ImageModel, bounds_of
from cotoolkit.intake.normalisation import Bounds, PerChannel
from cotoolkit.intake.outputs.probabilities import LinkName
from cotoolkit.intake.points import ChosenPoints, chosen_points, states_classes
from cotoolkit.intake.preparation import image_model
from cotoolkit.models.modes import attack_mode
from cotoolkit.models.registry import Shape
from cotoolkit.runs.environment import environment


def diagnose(
    model: nn.Module,
    data: Any,
    *,
    epsilon: float | str,
    budget: str | Budget = "standard",
    mean: PerChannel | None = None,
    std: PerChannel | None = None,
    bounds: tuple[float, float] = (0.0, 1.0),
    box: Box = "box_then_eps",
    forward: Forward | None = None,
    binary: bool = False,
    points: int | None = None,
    device: Device = "auto",
    seed: int = 0,
    autoattack: bool | None = None,
    progress: Progress | None = None,
) -> Diagnosis:
    """Is a finished network robust, catastrophically overfitted, masking its gradients, or never robust?

        diagnose(model, (images, labels), epsilon="8/255").verdict.label

    The network's modes, statistics, gradients and flags stay as they are. Equal arguments: equal numbers on a CPU.

    Args:
        model: from images (B, C, H, W) to logits (B, classes), one logit for two classes, or probabilities.
        data: (images, labels), a Dataset, a DataLoader, or a data set's name (its test split); see `points_of`.
        epsilon: radius of the linf ball in [0, 1] units, whatever the bounds: a share of high - low, such as "8/255".
        budget: quick, standard or thorough, or a `Budget`.
        mean: subtracted from the pixels before the model, in units of the bounds; None where it does so itself.
        std: by which the difference is divided.
        bounds: (low, high) of the pixels as the data have them and the model takes them before `mean` and `std`.
        box: how attacks keep to the bounds, see `threat_model.Box`; with "none" the images may leave them, too.
        forward: how the model is called, where it returns more than logits: `lambda model, images: model(images)[0]`.
        binary: the model has to have one output, the logit of class 1 of two; one output is taken for that anyway.
        points: images to measure on; None for the budget's number.
        device: "auto" takes a GPU if there is one.
        seed: of the choice of points and of all random starts.
        autoattack: whether it looks at what all else left (extra `cotoolkit[eval]`); None as docs/diagnosis.md says.
        progress: called with what is measured now, how many parts are done, and how many there are.

    Returns:
        The verdict, with all that led to it.

    Raises:
        ConfigError: a radius not above 0 or above 1, an unknown budget, AutoAttack that cannot be had.
        DataError: data that cannot be measured on.
        ModelError: a network that cannot be measured.
    """
    started = time.perf_counter()
    threat, spent, place = ThreatModel.from_user(epsilon, box=box), budget_of(budget), available(device)
    opinion = _second_opinion(threat, autoattack=autoattack, budget=spent)
    takes = ModelOptions(mean=mean, std=std, bounds=bounds_of(model, bounds), forward=forward, binary=binary)
    with outside_inference():
        count = spent.points if points is None else points
        chosen = chosen_points(data, points=count, seed=seed, bounds=takes["bounds"], leave=box == "none")
        network = _prepared(model, chosen.points, place, takes, exact=states_classes(data))
        found = _measured(network, chosen, place, threat, spent, seed, opinion, progress)
    protocol = _protocol(found, chosen.points, threat, takes["bounds"], seed, spent)
    return _diagnosis(found, protocol, _environment(network.network, data, place, found.passes, started))


def _prepared(model: nn.Module, points: Points, device: str, takes: ModelOptions, *, exact: bool) -> ImageModel:
    return image_model(model, shape=_shape(points), classes=points.classes, exact=exact, device=device, **takes)


def _second_opinion(threat: ThreatModel, *, autoattack: bool | None, budget: Budget) -> Wanted | None:
    """When AutoAttack is to be run: never, always, or where a verdict rests on what it may still fool."""
    if autoattack:
        if threat.box == "none":
            raise ConfigError('AutoAttack never leaves the bounds of the pixels: leave it out, or the box "none"')
        check_installed()
        return lambda found: True
    if autoattack is False or threat.box == "none" or not (budget.second_opinion and installed()):
        return None
    return lambda found: rests_on_points_left(found, threat.epsilon)


class _Found(NamedTuple):
    measured: MeasuredNetwork
    ways: tuple[AttackWay, ...]
    change: VerdictChange | None
    passes: PassCounter
    link: LinkName
    findings: list[Finding]


def _mode(network: ImageModel) -> list[Finding]:
    if not any(module.training for module in network.network.modules()):
        return []
    return [handled("the model is in training mode; it is diagnosed in evaluation mode, and left as it is")]


def _broken(found: Measurements) -> list[Finding]:
    """Outputs, and gradients, that are no numbers."""
    findings = []
    if count := broken_points(found):
        text = f"the outputs for {count} of {found.clean.accuracy.points} points are nan or infinite"
        findings.append(warning(f"{text}; they count as wrong"))
    share = found.masking.nan_gradients
    if share is not None and share.value > 0:
        text = f"{share.percent} of the points that are right have nan in their gradient, which attacks take for zero"
        text += ", so they may find too little; a root or a division at 0 makes it: mend the model"
        findings.append(warning(text))
    return findings


def _measured(
    network: ImageModel,
    chosen: ChosenPoints,
    device: str,
    threat: ThreatModel,
    budget: Budget,
    seed: int,
    opinion: Wanted | None,
    progress: Progress | None,
) -> _Found:
    """The measurements, with the passes they took, the link they were taken through, and what was met."""
    points = chosen.points
    points = points._replace(images=points.images.to(device), labels=points.labels.to(device))
    # The fast kernels of attention have no second derivatives, which the curvature needs.
    with attack_mode(network, "eval"), fork_global_rng(seed, "layers"), sdpa_kernel(SDPBackend.MATH):
        network.read_probabilities(points.images[:LOOKED_AT])
        passes = PassCounter(network)
        measured = run_measurements(
            passes, points, threat, budget,
            places=chosen.places, seed=seed, second_opinion=opinion, progress=progress,
        )  # fmt: skip
        few = torch.tensor(measured.outcomes.few, device=device)
        some = points._replace(images=points.images[few], labels=points.labels[few])
        ways = attack_ways(passes, some, threat, budget.surface, seed, batch_size_for(some.images))
        change = change_of_verdict(passes, points, measured.measurements, threat, budget, seed)
    findings = [*_mode(network), *network.findings, *measured.findings, *_broken(measured.measurements)]
    return _Found(measured, ways, change, passes, network.link.name, findings)


def _diagnosis(found: _Found, protocol: DiagnosisProtocol, environment: Environment) -> Diagnosis:
    return Diagnosis(
        verdict=reach_verdict(found.measured.measurements, protocol.epsilon),
        measurements=found.measured.measurements,
        points=found.measured.outcomes,
        ways=found.ways,
        change=found.change,
        findings=tuple(found.findings),
        protocol=protocol,
        environment=environment,
    )


def _protocol(
    found: _Found, points: Points, threat: ThreatModel, bounds: Bounds, seed: int, budget: Budget
) -> DiagnosisProtocol:
    return DiagnosisProtocol(
        epsilon=threat.epsilon,
        bounds=bounds,
        box=threat.box,
        seed=seed,
        budget=budget,
        points=len(points.labels),
        few=found.measured.few,
        shape=_shape(points),
        link=found.link,
        cards=found.measured.cards,
    )


def _environment(network: nn.Module, data: Any, device: str, passes: PassCounter, started: float) -> Environment:
    return Environment(
        model=type(network).__name__,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        data=_name(data),
        device=device,
        versions={name: str(value) for name, value in environment(device).items()},
        seconds=time.perf_counter() - started,
        forward_passes=passes.forwards,
        backward_passes=passes.backwards,
    )


def _shape(points: Points) -> Shape:
    _, channels, height, width = points.images.shape
    return channels, height, width


def _name(data: Any) -> str:
    """What the data are called."""
    if isinstance(data, str):
        return data
    if isinstance(data, DataConfig | ImageSet):
        return data.name
    return "images and labels" if isinstance(data, tuple | list) else type(data).__name__
