"""AutoAttack (Croce & Hein, ICML 2020), by the package pyautoattack, an optional part of cotoolkit."""

from __future__ import annotations

import importlib.metadata
import time
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from cotoolkit.attacks.gradient import holds
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.seeding import derive
from cotoolkit.diagnosis.measurements import AutoAttackResult
from cotoolkit.diagnosis.measuring.statistics import rate_of
from cotoolkit.models.modes import attack_mode

UNTARGETED = ("apgd-ce", "fab", "square")
"""What runs on fewer than four classes: the standard version's targeted DLR loss needs four (its own check)."""


RANDOM_PASSES = 20
"""Gradients that are averaged where outputs are random: that of the version rand."""


def installed() -> bool:
    """Whether pyautoattack can be imported."""
    try:
        import pyautoattack  # noqa: F401
    except ImportError:
        return False
    return True


def check_installed() -> None:
    """Raise a ConfigError that says what to install, if pyautoattack is missing."""
    if not installed():
        raise ConfigError(
            "AutoAttack is not installed: install the extra with pip install 'cotoolkit[eval]', or leave it out"
        )


def autoattack(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    threat: ThreatModel,
    *,
    left: Tensor | None = None,
    classes: int,
    seed: int,
    randomised: bool = False,
    batch_size: int = 250,
) -> AutoAttackResult:
    """Accuracy under AutoAttack, and, where it gets only points that our attacks left, under these and it together.

    The standard version; with fewer than four classes the untargeted attacks of `UNTARGETED`; with randomised outputs
    the version rand, as its authors say, which on two classes is its first attack alone: the other takes the DLR loss.

    Args:
        model: logits out; its modes are restored.
        images: (N, C, H, W) float32 in [0, 1].
        labels: (N,).
        threat: linf or l2, of which only the radius and the norm count; AutoAttack always clips to [0, 1].
        left: (N,) bool, points that it is run on, the others being fooled already; None for all.
        classes: how many logits the model has; at least 2.
        seed: of its random numbers.
        randomised: whether equal inputs give different outputs.
        batch_size: points attacked together.

    Returns:
        The share of all N points that nothing fools, with what was run.

    Raises:
        ConfigError: pyautoattack is missing.
    """
    return run_autoattack(
        model, images, labels, threat,
        left=left, classes=classes, seed=seed, randomised=randomised, batch_size=batch_size,
    ).record  # fmt: skip


class AutoAttackRun(NamedTuple):
    """AutoAttack that has run.

    Attributes:
        record: what the diagnosis writes down.
        held: (N,) bool, which points nothing fooled.
    """

    record: AutoAttackResult
    held: Tensor


def run_autoattack(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    threat: ThreatModel,
    *,
    left: Tensor | None = None,
    classes: int,
    seed: int,
    randomised: bool = False,
    batch_size: int = 250,
) -> AutoAttackRun:
    """As `autoattack`, with the points.

    Args:
        model: see `autoattack`.
        images: (N, C, H, W) float32 in [0, 1].
        labels: (N,).
        threat: see `autoattack`.
        left: (N,) bool, points that it is run on.
        classes: how many logits the model has.
        seed: of its random numbers.
        randomised: whether equal inputs give different outputs.
        batch_size: points attacked together.

    Returns:
        The record, and which points are left.

    Raises:
        ConfigError: pyautoattack is missing.
    """
    check_installed()
    version = "custom" if classes < 3 else "rand" if randomised else "standard" if classes >= 4 else "custom"
    attack = _attack(model, threat, version, classes, images.device, derive(seed, "diagnosis", 20) % 2**31)
    if version == "custom" and randomised:
        attack.attacks_to_run, attack.apgd.eot_iter = ["apgd-ce"], RANDOM_PASSES
    started = time.perf_counter()
    held = torch.ones_like(labels, dtype=torch.bool) if left is None else left.clone()
    tried = held.nonzero().flatten()
    if len(tried):
        held[tried] = _held(attack, model, images[tried], labels[tried], batch_size)
    record = AutoAttackResult(
        version=version,
        package=importlib.metadata.version("pyautoattack"),
        attacks=tuple(attack.attacks_to_run),
        tried=len(tried),
        accuracy=rate_of(held),
        seconds=time.perf_counter() - started,
    )
    return AutoAttackRun(record, held)


def _held(attack: Any, model: nn.Module, images: Tensor, labels: Tensor, batch_size: int) -> Tensor:
    """(N,) bool, which points it does not fool."""
    with attack_mode(model, "eval"), torch.random.fork_rng(devices=[images.device] if images.is_cuda else []):
        adversarial, _ = attack.run_standard_evaluation(images, labels, batch_size=batch_size)
        with torch.no_grad():
            return torch.cat([
                holds(model(adversarial[first : first + batch_size]), labels[first : first + batch_size])
                for first in range(0, len(images), batch_size)
            ])  # fmt: skip


def _attack(model: nn.Module, threat: ThreatModel, version: str, classes: int, device: torch.device, seed: int) -> Any:
    from pyautoattack import AutoAttack

    attack = AutoAttack(
        model,
        norm="Linf" if threat.norm == "linf" else "L2",
        eps=threat.epsilon,
        version=version,
        attacks=list(UNTARGETED) if version == "custom" else None,
        device=device,
        seed=seed,
    )
    if version == "standard":  # it takes nine targets whatever the number of classes
        targets = min(9, classes - 1)
        attack.apgd_targeted.n_target_classes = attack.fab.n_target_classes = targets
    return attack
