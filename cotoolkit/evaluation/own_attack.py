"""Attacks of other libraries, and of one's own, as evaluation protocols: `attack=module:function`.

    attack=torchattacks:PGD           a class of torchattacks, called as CLASS(model, eps=EPSILON)(images, labels)
    attack=foolbox.attacks:LinfPGD    a class of foolbox, or an attack made of one; foolbox calls its radius epsilons
    attack=my_attacks:strong_pgd      a function (model, images, labels, threat) that returns the attacked images

The model takes images in [0, 1] and gives logits. What comes back is looked at before it counts: images inside the ball
and the range, or one line says how far out they are.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import inspect
import json
import logging
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from pydantic import field_validator
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from cotoolkit.attacks.gradient import holds
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.identity import rounded
from cotoolkit.core.numbers import format_number
from cotoolkit.core.processes.patience import sign_of_life
from cotoolkit.core.registry import STRICT
from cotoolkit.core.seeding import fork_every_global_rng
from cotoolkit.core.user_code import FAILURES, import_callable, located
from cotoolkit.core.validation import refusing_in_one_line

log = logging.getLogger(__name__)

MARK = "attack="
"""How the name of such a protocol begins."""

ROUND_OFF = 1e-6
"""By which entries may leave the ball and the range: sums of single-precision numbers below 1 err by less."""

Attack = Callable[[nn.Module, Tensor, Tensor, ThreatModel], Any]


@refusing_in_one_line
@dataclass(frozen=True, config=STRICT)
class OwnAttack:
    """An evaluation attack from outside; its radius is the threat model's, everything else is its own.

    A point is robust if neither the image nor what the attack returns for it fools the model, which is in eval mode.

    Args:
        target: `module:function`, looked up when it is used, in the working directory and the Python path.

    Raises:
        ConfigError: it has another form.
    """

    target: str

    @field_validator("target")
    @classmethod
    def _names_code(cls, target: str) -> str:
        module, _, name = target.partition(":")
        if not all(part.isidentifier() for part in (*module.split("."), name)):
            raise ValueError(f"{MARK}{target} names no attack; write {MARK}module:function")
        return target

    def card(self, threat: ThreatModel) -> dict[str, Any]:
        """Everything that is known to define the number, as `Protocol.card`.

        Of an installed package its version counts, of other code the file in which the function stands.

        Raises:
            ConfigError: there is no such function.
        """
        card: dict[str, Any] = {
            "protocol": {"attack": self.target, **self._code()},
            "threat": rounded(asdict(threat)),
            "mode": "eval",
            "points": "all",
            "robust_if": "neither the image nor what the attack returned fooled it",
        }
        return {**card, "hash": hashlib.sha256(json.dumps(card, sort_keys=True).encode()).hexdigest()[:12]}

    def load(self) -> Attack:
        """The attack, whatever its form, as a function (model, images, labels, threat) -> images.

        Raises:
            ConfigError: there is no such function, or importing it fails.
        """
        found = import_callable(self.target, ConfigError)
        kind = found if isinstance(found, type) else type(found)
        if "epsilons" in _parameters(kind.__call__):
            return lambda *given: _by_foolbox(found() if isinstance(found, type) else found, *given)
        if isinstance(found, type):
            return lambda *given: _by_torchattacks(found, *given)
        return found

    def _code(self) -> dict[str, str]:
        module = self.target.partition(":")[0]
        package = module.partition(".")[0]
        try:
            return {"package": f"{package} {importlib.metadata.version(package)}"}
        except importlib.metadata.PackageNotFoundError:
            import_callable(self.target, ConfigError)
            file = getattr(sys.modules[module], "__file__", None)  # a notebook has none
            return {} if file is None else {"code": hashlib.sha256(Path(file).read_bytes()).hexdigest()[:12]}


def withstood(
    model: nn.Module, images: Tensor, labels: Tensor, threat: ThreatModel, own: OwnAttack, *, seed: int, first: int
) -> tuple[Tensor, int, int]:
    """Which points hold as they are and as the attack leaves them.

    Args:
        model: in eval mode; logits out. It collects no gradient.
        images: (B, C, H, W) float32.
        labels: (B,).
        threat: radius, norm and range.
        own: the attack.
        seed: of the global random numbers, from which the attack draws; they are put back.
        first: number of the first image among all, which decides the draws, too.

    Returns:
        (B,) bool; input gradients taken, counted per point; points whose outputs are broken at the image.

    Raises:
        ConfigError: the attack fails, or returns something else than images inside the ball and the range.
    """
    with torch.no_grad():
        logits = model(images)
    clean = holds(logits, labels)
    counted = _Counted(model).eval()
    attack = own.load()
    with fork_every_global_rng(seed, "evaluation", first), _gradients_kept(model), torch.enable_grad():
        try:
            found = attack(counted, images.clone(), labels.clone(), threat)
        except ConfigError:
            raise
        except FAILURES as failure:
            raise ConfigError(f"{MARK}{own.target} failed: {located(failure)}") from failure
    attacked = _inside(found, images, threat, own.target)
    with torch.no_grad():
        held = clean & holds(model(attacked), labels)
    return held, counted.gradients, int((~logits.amax(1).isfinite()).sum())


class _Counted(nn.Module):
    """A model that counts the gradients of its images."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.gradients = 0

    def forward(self, images: Tensor) -> Tensor:
        sign_of_life()
        if torch.is_grad_enabled() and images.requires_grad:
            images = images.view_as(images)
            images.register_hook(self._count)
        logits: Tensor = self.model(images)
        return logits

    def _count(self, gradient: Tensor) -> None:
        self.gradients += len(gradient)


@contextmanager
def _gradients_kept(model: nn.Module) -> Iterator[None]:
    """Attacks that call `backward` leave gradients in the weights: put back what was there."""
    before = [(parameter, parameter.grad) for parameter in model.parameters()]
    for parameter, _ in before:
        parameter.grad = None
    try:
        yield
    finally:
        for parameter, gradient in before:
            parameter.grad = gradient


def _parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    """Names of a function's parameters; none where it does not tell them, as C code does."""
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return ()


def _by_torchattacks(kind: Callable[..., Any], *given: Any) -> Any:
    model, images, labels, threat = given
    radius = {"eps": threat.epsilon} if "eps" in _parameters(kind) else {}
    attack = kind(model, **radius)
    steps, size = getattr(attack, "steps", None), getattr(attack, "alpha", None)
    if isinstance(steps, int) and isinstance(size, float) and threat.norm == "linf" and steps * size < threat.epsilon:
        _warn_of_short_steps(kind.__name__, steps, size, threat.epsilon)
    return attack(images, labels)


@functools.cache  # once, however many batches there are
def _warn_of_short_steps(name: str, steps: int, size: float, epsilon: float) -> None:
    reach = f"{steps} steps of {format_number(size)} never cross a radius of {format_number(epsilon)}"
    log.warning("%s: %s, so the accuracy is too high; set steps and alpha in a function of your own", name, reach)


def _by_foolbox(attack: Any, *given: Any) -> Any:
    from foolbox.models.pytorch import PyTorchModel

    model, images, labels, threat = given
    order = getattr(getattr(attack, "distance", None), "p", None)
    if order is not None and order != {"linf": math.inf, "l2": 2}[threat.norm]:
        raise ConfigError(f"{attack} measures in l{order:g}; the threat model is {threat}: take the attack of its norm")
    low, high = 0.0, 1.0
    if threat.box == "none":
        low, high = min(low, float(images.min()) - threat.epsilon), max(high, float(images.max()) + threat.epsilon)
    wrapped = PyTorchModel(model, bounds=(low, high), device=images.device)
    return attack(wrapped, images, labels, epsilons=threat.epsilon)[1]  # those clipped to the ball


def _inside(found: Any, images: Tensor, threat: ThreatModel, target: str) -> Tensor:
    """The attacked images, exactly inside; refused where more than round-off is outside."""
    name, shape = f"{MARK}{target}", tuple(images.shape)
    if not isinstance(found, Tensor) or found.shape != images.shape:
        got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise ConfigError(f"{name} returned {got} for images {shape}; it must return the attacked images")
    found = found.detach().to(images)
    if not found.isfinite().all():
        raise ConfigError(f"{name} returned images that are nan or infinite")
    delta = (found - images).flatten(1)
    sizes = delta.abs().amax(1) if threat.norm == "linf" else delta.norm(dim=1)
    slack = ROUND_OFF * (1 if threat.norm == "linf" else math.sqrt(delta.shape[1]))
    if far := int((sizes > threat.epsilon + slack).sum()):
        raise ConfigError(
            f"{name} left the ball of {threat} on {far} of {len(images)} images, by up to "
            f"{sizes.max() - threat.epsilon:.2g}; return images + threat.project(images, attacked - images)"
        )
    if threat.box != "none" and (found.min() < -ROUND_OFF or found.max() > 1 + ROUND_OFF):
        raise ConfigError(
            f"{name} left the range of images: from {found.min():.3g} to {found.max():.3g}; "
            "return images + threat.project(images, attacked - images)"
        )
    return images + threat.project(images, found - images)
