"""What can be wrong inside a network before any image goes through it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parameter import is_lazy

from cotoolkit.core.errors import ModelError
from cotoolkit.intake.findings import Finding, warning


def check_finite(network: nn.Module, source: str) -> None:
    """Refuse a network with weights that are not finite.

    Infinite buffers are allowed where they are no statistics: attention masks are made of them.

    Args:
        network: to look at.
        source: what messages call it.

    Raises:
        ModelError: a parameter or batch-norm statistic that is nan or infinite, any buffer with nan, a running variance
            below 0, or a tensor without values (lazy, or on the meta device).
    """
    for name, parameter in network.named_parameters():
        _check_there(name, parameter, source)
        _refuse(name, ~torch.isfinite(parameter.detach()), source)
    for name, tensor in network.named_buffers():
        _check_there(name, tensor, source)
        running = name.endswith(("running_mean", "running_var"))
        _refuse(name, ~torch.isfinite(tensor) if running else tensor.isnan(), source)
        if name.endswith("running_var") and bool((tensor < 0).any()):
            raise ModelError(f"{source}: {name} has negative values, and a variance cannot be; the file is damaged")


def _check_there(name: str, tensor: Tensor, source: str) -> None:
    if is_lazy(tensor):
        raise ModelError(f"{source}: {name} has no shape yet (a lazy layer); send a batch through the network first")
    if tensor.is_meta:
        raise ModelError(f"{source}: {name} is on the meta device and holds no values; load weights first")


def _refuse(name: str, bad: Tensor, source: str) -> None:
    if bad.any():
        raise ModelError(
            f"{source}: {name} has {int(bad.sum())} of {bad.numel()} values that are nan or infinite; the training "
            "that made it diverged: take an earlier checkpoint"
        )


def batch_norm_findings(network: nn.Module) -> list[Finding]:
    """Batch norm whose evaluation is not what it was trained to be: one finding for each kind of trap.

    Args:
        network: whose running statistics are finite.
    """
    layers = list(_batch_norms(network))
    without = [name for name, layer in layers if layer.running_mean is None or layer.running_var is None]
    fresh, dead = [], []
    for name, layer in layers:
        if layer.running_mean is None or layer.running_var is None:
            continue
        if bool((layer.running_mean == 0).all()) and bool((layer.running_var == 1).all()):
            fresh.append(name)
        elif bool((layer.running_var == 0).any()):
            dead.append(name)
    findings = []
    if without:
        findings.append(
            warning(
                f"{_named(without)} no running statistics (track_running_stats=False) and normalise by those of the "
                "batch in eval mode too: accuracies depend on which images share a batch"
            )
        )
    if fresh:
        findings.append(
            warning(
                f"{_named(fresh)} running statistics at their first values, mean 0 and variance 1: the network was "
                "never trained, or in a way that did not update them, and then it is not the network that was trained"
            )
        )
    if dead:
        findings.append(
            warning(
                f"{_named(dead)} channels of running variance 0, which never varied in training; a change there, as an "
                "attack may bring, is multiplied by 1 / sqrt(eps)"
            )
        )
    return findings


def _batch_norms(network: nn.Module) -> Iterator[tuple[str, _BatchNorm]]:
    for name, module in network.named_modules():
        if isinstance(module, _BatchNorm):
            yield name, module


def _named(names: list[str]) -> str:
    """The subject of a sentence, with its verb."""
    if len(names) == 1:
        return f"the batch norm layer {names[0]!r} has"
    return f"{len(names)} batch norm layers ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''}) have"
