"""channels_last where it is safe: which layers forbid it on a CPU, and a check of the gradients it gives.

A convolutional network steps faster in it, but oneDNN, which computes convolutions on a CPU, writes past its workspace
in the weight gradient of one kind of layer (`unsafe_layers`): the gradient is wrong, or the process crashes, at once or
later.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from cotoolkit.core.seeding import fork_global_rng
from cotoolkit.models.modes import attack_mode

BLOCK = 16
"""Input channels from which on a strided 1 x 1 convolution is safe: one AVX-512 register of float32."""

AFFECTED = (torch.float32, torch.bfloat16)
"""Types whose weight gradient oneDNN computes in that way."""

SMALL = 1_000_000
"""Parameters up to which a network of ours is checked on the first batch."""

TOLERANCE = 0.01
"""Difference of a parameter's gradient between memory formats, as a share of its norm; round-off does not reach it."""

FLOOR = 0.001
"""Share of the norm of all gradients below which a parameter's own norm is no measure: it may be nothing but round-off,
as that of a bias whose effect the next layer takes off."""


def unsafe_layers(network: nn.Module) -> dict[str, str]:
    """The layers of a network that must not be trained in channels_last, by name, with the reason.

    These are 1 x 1 convolutions on the CPU, in float32 or bfloat16, with a stride above 1 and fewer than 16 input
    channels per group. For them oneDNN copies the strided pixels into a workspace of pixels x channels, but finds its
    way in it by whole registers of channels, 8 in AVX2 and 16 in AVX-512, and so leaves it. Image size, batch and
    threads decide what that does. The rule is one for all processors, so that a run is the same on them, and ignores
    that groups, padding and sizes that the stride does not divide happen to lead to other code. Layers that are no
    `nn.Conv2d`, such as scripted ones and calls of `F.conv2d`, are not seen.

    Source: oneDNN issue 6035, "1x1 convolution backward_weights writes past the rtus workspace"; and a search over
    channels, strides, kernels, groups, padding, sizes, threads and instruction sets with torch 2.15, every tensor
    before a protected page: no layer outside of this rule left its memory, or had a wrong gradient.
    """
    found = {}
    for name, layer in network.named_modules():
        if not isinstance(layer, nn.Conv2d) or is_lazy(layer.weight) or layer.weight.device.type != "cpu":
            continue
        channels = layer.in_channels // layer.groups
        point = all(size == 1 for size in layer.kernel_size)
        if point and max(layer.stride) > 1 and channels < BLOCK and layer.weight.dtype in AFFECTED:
            found[name] = f"a 1 x 1 convolution with stride {max(layer.stride)} and {channels} input channels"
    return found


def safe_memory_format(network: nn.Module) -> torch.memory_format:
    """channels_last, the faster one, unless a layer forbids it; always channels_last on a GPU, where no layer does."""
    return torch.contiguous_format if unsafe_layers(network) else torch.channels_last


def is_channels_last(network: nn.Module) -> bool:
    """Whether any weights of convolutions are in channels_last; from that layer on activations are so too."""
    weights = [weight for weight in network.parameters() if not is_lazy(weight) and weight.dim() == 4]
    # Strides of weights (O, I, 1, 1) would be in order for both; torch goes by their values as well.
    return any(weight.stride(1) < weight.stride(2) for weight in weights)


def channels_last_warning(network: nn.Module) -> str | None:
    """What to tell the owner of a network that arrived in channels_last with unsafe layers; None for any other."""
    layers = unsafe_layers(network) if is_channels_last(network) else {}
    if not layers:
        return None
    (name, reason), *others = layers.items()
    more = f" ({len(others)} more like it)" if others else ""
    return (
        f"the model is in channels_last, and its layer {name!r} is {reason}{more}: training that on a CPU may give "
        "wrong weight gradients and corrupt memory (oneDNN issue 6035); use "
        "model.to(memory_format=torch.contiguous_format), and distrust what was trained before"
    )


def worth_checking(network: nn.Module, own: bool) -> bool:
    """Whether to compare a network's gradients with those of the contiguous format, on the first batch.

    Args:
        network: in the memory format of its training.
        own: a user's own network, which is checked at any size; others up to `SMALL` parameters.

    Returns:
        True where the comparison could find something and costs little.
    """
    weights = list(network.parameters())
    on_cpu = all(weight.device.type == "cpu" for weight in weights)
    small = sum(weight.numel() for weight in weights) <= SMALL
    return on_cpu and is_channels_last(network) and (own or small)


def gradient_mismatch(network: nn.Module, images: Tensor, labels: Tensor) -> str | None:
    """Compare the gradients of all parameters with those in the contiguous format, on one batch.

    Two forward and two backward passes, what a step of FGSM training takes. They are made in evaluation mode, without
    dropout, because draws go by the memory format. Parameters, buffers, gradients, modes and random state are left as
    they were. To be called where `unsafe_layers` found nothing: the comparison itself would corrupt memory.

    Args:
        network: on the CPU, in the memory format to be checked.
        images: (B, C, H, W) in the memory format of the training.
        labels: (B,).

    Returns:
        What differs by more than `TOLERANCE`, as one clause; None if nothing does, or nothing can be compared: the
        gradients are not finite, or the network draws random numbers in evaluation mode too.
    """
    given, random = _gradients(network, images, labels)
    if random:
        return None
    with _contiguous(network):
        expected, _ = _gradients(network, images.contiguous(), labels)
    norms = {name: gradient.norm().item() for name, gradient in expected.items()}
    floor = FLOOR * sum(norm**2 for norm in norms.values()) ** 0.5
    if not 0 < floor < float("inf"):
        return None
    differences = {
        name: ((given[name] - expected[name]).norm() / max(norm, floor)).nan_to_num(nan=float("inf")).item()
        for name, norm in norms.items()
    }
    worst = max(differences, key=lambda name: differences[name])
    if differences[worst] <= TOLERANCE:
        return None
    return (
        f"on the first batch, the gradient of {worst!r} in channels_last differs from that in the contiguous format by "
        f"{differences[worst]:.0%} of its norm"
    )


def _gradients(network: nn.Module, images: Tensor, labels: Tensor) -> tuple[dict[str, Tensor], bool]:
    """Of the mean cross-entropy, by name, 0 where it does not depend on a parameter; and whether it was random."""
    trained = {name: weight for name, weight in network.named_parameters() if weight.requires_grad}
    with attack_mode(network, "eval"), fork_global_rng(0, "layers"), torch.enable_grad():
        before = torch.get_rng_state()
        loss = F.cross_entropy(network(images), labels)
        found = torch.autograd.grad(loss, list(trained.values()), allow_unused=True, materialize_grads=True)
        random = not torch.equal(torch.get_rng_state(), before)
    return dict(zip(trained, found, strict=True)), random


@contextlib.contextmanager
def _contiguous(network: nn.Module) -> Iterator[None]:
    """The network with its parameters in the contiguous format, inside the block."""
    kept = [(weight, weight.data) for weight in network.parameters()]
    try:
        for weight, data in kept:
            weight.data = data.clone(memory_format=torch.contiguous_format)
        yield
    finally:
        for weight, data in kept:
            weight.data = data
