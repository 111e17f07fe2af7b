"""Evaluation under named protocols: what exactly an accuracy means, and the attack loop that measures it.

"PGD-50-10" means different attacks in different repositories, so a number here always carries its protocol card: the
attack, the threat model and the points, with a hash. A point counts as robust only if no step of no restart fooled it.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import json
import logging
import re
from dataclasses import asdict
from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from cotoolkit.attacks.checked import check_threat, leaves_box
from cotoolkit.attacks.gradient import holds, input_gradient
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.errors import ConfigError, ModelError
from cotoolkit.core.identity import rounded
from cotoolkit.core.numbers import Number, Whole, whole_number
from cotoolkit.core.processes.patience import sign_of_life
from cotoolkit.core.registry import STRICT
from cotoolkit.core.seeding import fork_global_rng, generator
from cotoolkit.core.validation import refusing_in_one_line
from cotoolkit.evaluation.accuracy import Accuracy, Evaluation
from cotoolkit.evaluation.own_attack import MARK, OwnAttack, withstood
from cotoolkit.intake.door import bring, outside_inference
from cotoolkit.intake.model import Forward
from cotoolkit.intake.normalisation import Bounds, PerChannel
from cotoolkit.intake.probing import NO_GRADIENT
from cotoolkit.models.modes import attack_mode

log = logging.getLogger(__name__)


@refusing_in_one_line
@dataclass(frozen=True, config=STRICT)
class Protocol:
    """An evaluation attack, independent of the radius.

    Args:
        steps: gradient steps a restart; 0 is clean accuracy.
        restarts: independent random starts.
        step_size: in units of epsilon.
        random_start: uniform in the ball; otherwise the image itself.
        last_only: score the last iterate alone, whatever the image and the other iterates do. So FGSM accuracy is
            understood, which after catastrophic overfitting exceeds clean accuracy.

    The model is in eval mode; every point of the set is attacked.
    """

    steps: Annotated[Whole, Ge(0)]
    restarts: Annotated[Whole, Ge(1)] = 1
    step_size: Annotated[Number, Gt(0)] = 0.25
    random_start: bool = True
    last_only: bool = False

    def card(self, threat: ThreatModel) -> dict[str, Any]:
        """Everything that defines the number, as JSON data, with `hash`, the first 12 hex digits of its sha256.

        Its numbers are rounded as those of a run are, see `identity.nearest`.
        """
        card: dict[str, Any] = {
            "protocol": asdict(rounded(self)),
            "threat": rounded(asdict(threat)),
            "mode": "eval",
            "points": "all",
            "robust_if": "last iterate holds" if self.last_only else "no step of no restart fooled it",
        }
        text = json.dumps(card, sort_keys=True)
        return {**card, "hash": hashlib.sha256(text.encode()).hexdigest()[:12]}


MOST_GRADIENTS = 1_000_000
"""Of a protocol that is named; more are a slip of the keyboard."""


FORMS = f"clean, fgsm, pgd-STEPS, pgd-STEPS-RESTARTS or {MARK}module:function"
"""Names of protocols, as messages give them."""


@functools.cache  # names are few, and each run of a study asks for its
def named_protocol(name: str) -> Protocol:
    """The protocol people mean by `clean`, `fgsm`, `pgd-STEPS` or `pgd-STEPS-RESTARTS` (`pgd-50-10`).

    FGSM is one full step of epsilon from the image, scored there; PGD takes steps of epsilon / 4 from uniform starts.

    Raises:
        ConfigError: no protocol has that name.
    """
    if name == "clean":
        return Protocol(steps=0, random_start=False)
    if name == "fgsm":
        return Protocol(steps=1, step_size=1.0, random_start=False, last_only=True)
    match = re.fullmatch(r"pgd-([1-9]\d{0,9})(?:-([1-9]\d{0,9}))?", name)
    if not match:
        near = difflib.get_close_matches(name, ["clean", "fgsm", "pgd-10", "pgd-50", "pgd-50-10"], n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"use {FORMS}"
        raise ConfigError(f"unknown evaluation protocol {name!r}: {hint}")
    steps, restarts = int(match[1]), int(match[2] or 1)
    if steps * restarts > MOST_GRADIENTS:
        raise ConfigError(f"{name!r} takes {steps * restarts} gradients a point; at most {MOST_GRADIENTS} are")
    return Protocol(steps=steps, restarts=restarts)


def known_protocol(protocol: str | Protocol | OwnAttack) -> Protocol | OwnAttack:
    """A protocol as it is, or by its name: one that `named_protocol` knows, or `attack=module:function`.

    The attack is imported when it is used, see `OwnAttack`.

    Raises:
        ConfigError: no protocol.
    """
    found: Any = protocol
    if isinstance(protocol, str):
        own = protocol.startswith(MARK)
        found = OwnAttack(protocol.removeprefix(MARK)) if own else named_protocol(protocol)
    if not isinstance(found, Protocol | OwnAttack):
        raise ConfigError(f'protocol is {protocol!r}; give the name of one, such as "pgd-50-10", or a Protocol')
    return found


def evaluate(
    model: nn.Module,
    images: Any,
    labels: Any,
    threat: ThreatModel,
    protocol: str | Protocol | OwnAttack,
    *,
    mean: PerChannel | None = None,
    std: PerChannel | None = None,
    bounds: Bounds = (0.0, 1.0),
    forward: Forward | None = None,
    binary: bool = False,
    seed: int = 0,
    batch_size: int = 512,
    first: int = 0,
) -> Evaluation:
    """Accuracy of anybody's model under an evaluation protocol.

    Args:
        model: from images in `bounds`, normalised if `mean` and `std` are given, to logits; see
            `intake.preparation.image_model`. It is left as it is.
        images: (N, C, H, W), tensor or array: uint8, or floats in `bounds`; they may leave these with the box "none".
            Where `mean` and `std` are given, images that these have been applied to are taken too.
        labels: (N,), whole numbers of any type.
        threat: radius, norm and order of the clamps; the radius is a share of the bounds' width.
        protocol: a `Protocol`, an `OwnAttack`, or the name of one.
        mean: subtracted from the pixels before the model, in units of the bounds; None where it does so itself.
        std: by which the difference is divided.
        bounds: least and greatest value of a pixel, as the images have them and the model takes them.
        forward: how the model is called, where it returns more than logits: `lambda model, images: model(images)[0]`.
        binary: the model has to have one output, the logit of class 1 of two; one output is taken for that anyway.
        seed: of the random starts, the same for any device and with points frozen early or not, and of a random model.
        batch_size: points attacked together; changes no draw of another batch.
        first: number of the first image, where a call has a part of all: batches of `batch_size` images then see the
            random starts that they see in one call.

    Returns:
        The accuracy, which points stayed correct, what that took, and the protocol card.

    Raises:
        ConfigError: an unknown protocol name, or settings that make no sense.
        DataError: images or labels that cannot be measured on.
        ModelError: a model that cannot be measured, or gives no gradient to a protocol that attacks.
    """
    protocol = known_protocol(protocol)
    batch_size, first = whole_number(batch_size, "batch_size", 1), whole_number(first, "first")
    with outside_inference(), fork_global_rng(seed, "layers"):
        brought = bring(
            model, images, labels, leave=leaves_box(threat), gradient=_follows_gradient(protocol), mean=mean, std=std,
            bounds=bounds, forward=forward, binary=binary,
        )  # fmt: skip
        check_threat(threat, brought.images[0].numel())
        found = run_protocol(*brought[:3], threat, protocol, seed=seed, batch_size=batch_size, first=first)
    _tell(found, protocol, gradient=brought.model.gradient)
    return found


def _tell(found: Evaluation, protocol: Protocol | OwnAttack, *, gradient: bool) -> None:
    """Refuse an outcome that rests on a gradient that is none, and say which points have no outputs."""
    if found.gradient_evaluations and not gradient:
        raise ModelError(f"{NO_GRADIENT}, and {protocol} follows it; take an attack that needs none")
    if found.broken:
        count = len(found.correct)
        log.warning("the outputs for %d of %d images are nan or infinite; they count as wrong", found.broken, count)


def _follows_gradient(protocol: Protocol | OwnAttack) -> bool:
    """Whether it is known to; of an attack from outside that shows afterwards."""
    return isinstance(protocol, Protocol) and protocol.steps > 0


def run_protocol(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    threat: ThreatModel,
    protocol: str | Protocol | OwnAttack,
    *,
    seed: int = 0,
    batch_size: int = 512,
    first: int = 0,
) -> Evaluation:
    """As `evaluate`, of what needs no check: a network of ours, or one that came through the door.

    Args:
        model: logits out; its modes are restored afterwards.
        images: (N, C, H, W) float32, on the model's device.
        labels: (N,) int64, on the model's device.
        threat: radius, norm and order of the clamps.
        protocol: a `Protocol`, an `OwnAttack`, or the name of one.
        seed: of the random starts; the same for any device and whether points are frozen early or not.
        batch_size: points attacked together; changes no draw of another batch.
        first: see `evaluate`.

    Returns:
        The accuracy, which points stayed correct, what that took, and the protocol card.

    Raises:
        ConfigError: an unknown protocol name.
    """
    protocol = known_protocol(protocol)
    correct = torch.zeros(len(images), dtype=torch.bool, device=images.device)
    gradients = broken = 0
    with attack_mode(model, "eval"):
        for begin in range(0, len(images), batch_size):
            sign_of_life()
            part, number = slice(begin, begin + batch_size), first + begin
            given = model, images[part], labels[part], threat
            if isinstance(protocol, OwnAttack):
                correct[part], *counts = withstood(*given, protocol, seed=seed, first=number)
            else:
                correct[part], *counts = _surviving(*given, protocol, generator(seed, "evaluation", number))
            gradients, broken = gradients + counts[0], broken + counts[1]
    return Evaluation(Accuracy.of(correct), correct, gradients, broken, protocol.card(threat))


def _surviving(
    model: nn.Module, images: Tensor, labels: Tensor, threat: ThreatModel, protocol: Protocol, draws: torch.Generator
) -> tuple[Tensor, int, int]:
    """Which points no iterate of the attack fools, (B,) bool; input gradients taken; points with broken outputs.

    Early freezing: the forward pass of a gradient step also shows which points are fooled already; they leave the batch
    for good. The starts of all points are drawn whether frozen or not, so each point sees the starts it would see in
    the full loop.
    """
    gradients = broken = 0
    if protocol.last_only:
        alive = torch.arange(len(labels), device=labels.device)
    else:
        with torch.no_grad():
            logits = model(images)
        broken = _broken(logits)
        alive = holds(logits, labels).nonzero().flatten()
    for _ in range(protocol.restarts if protocol.steps else 0):
        start = threat.random_start(images, draws) if protocol.random_start else torch.zeros_like(images)
        delta = start[alive]
        for _ in range(protocol.steps):
            if len(alive) == 0:
                break
            gradient, logits, _ = input_gradient(model, images[alive] + delta, labels[alive])
            gradients += len(alive)
            if not protocol.last_only:
                held = holds(logits, labels[alive])
                alive, delta, gradient = alive[held], delta[held], gradient[held]
            step = protocol.step_size * threat.epsilon * threat.steepest(gradient)
            delta = threat.project(images[alive], delta + step)
        if len(alive):
            with torch.no_grad():
                logits = model(images[alive] + delta)
            broken = _broken(logits) if protocol.last_only else broken
            alive = alive[holds(logits, labels[alive])]
    correct = torch.zeros(len(images), dtype=torch.bool, device=images.device)
    correct[alive] = True
    return correct, gradients, broken


def _broken(logits: Tensor) -> int:
    return int((~logits.amax(1).isfinite()).sum())
