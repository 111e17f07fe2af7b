"""Activation maximisation: the images that a layer's units respond to most, and numbers about them.

The activation of a unit is what its layer puts out, before any non-linearity: for a convolution at the central
position or as the mean over positions, for a layer that sees tokens at the middle one or as the mean over them. All
models are in evaluation mode. The start images, radii and layers of the feature purification paper (arXiv 2005.10190)
were not available; every default here is our choice.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from analyses.features.attributions.agreement import map_cosine
from analyses.features.layers import layer_output
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.device import device_of
from cotoolkit.core.errors import ConfigError, ModelError
from cotoolkit.models.modes import attack_mode

Position = Literal["centre", "mean"]
"""Which activation of a unit: of a convolution at row H // 2 and column W // 2, of T tokens at token T // 2; or the
mean over all positions."""

JITTER = 2
"""Largest shift, in pixels, of the images that `maximise_from_noise` regularises."""


class Maximised(NamedTuple):
    """What activation maximisation found, for U units from S starts.

    Attributes:
        images: (U, S, C, H, W).
        starts: (S, C, H, W).
        gain: (U, S), activation there minus that of the start.
    """

    images: Tensor
    starts: Tensor
    gain: Tensor

    @property
    def changes(self) -> Tensor:
        """(U, S, C, H, W), image minus start."""
        return self.images - self.starts


def default_radius(image: Tensor) -> float:
    """l2 radius 2 on 3 x 32 x 32 images, and the same root mean square change per entry on others. (C, H, W) -> l2."""
    return 2 * math.sqrt(image.numel() / 3072)


def activations(model: nn.Module, layer: str, images: Tensor, position: Position = "centre") -> Tensor:
    """Activations of all units of a layer, on the model's device.

    Args:
        model: maps images to logits.
        layer: name of a module.
        images: (B, C, H, W).
        position: see `Position`.

    Returns:
        (B, units).

    Raises:
        ModelError: no such layer, or its output is none of (B, units), (B, tokens, units), (B, units, H, W).
    """
    with torch.no_grad(), attack_mode(model, "eval"), layer_output(model, layer) as output:
        model(images.to(device_of(model)))
        return _at(output(), position, layer, len(images))


def choose_units(
    model: nn.Module, layer: str, images: Tensor, count: int = 8, position: Position = "centre"
) -> list[int]:
    """Units by a fixed rule: half of them those whose activations vary most over the images, half those in the middle.

    The middle ones are nearest to the median in the order of variance. With an odd count the first half is the larger
    one; a layer with fewer units gives all of them.

    Args:
        model: maps images to logits.
        layer: name of a module.
        images: (B, C, H, W).
        count: how many units.
        position: see `Position`.

    Returns:
        Unit indices, by falling variance.

    Raises:
        ConfigError: fewer than two images.
        ModelError: see `activations`.
    """
    if len(images) < 2:
        raise ConfigError("units are chosen by how their activations vary: give at least two images")
    variance = activations(model, layer, images, position).double().var(dim=0)
    order = variance.argsort(descending=True, stable=True).tolist()
    if count >= len(order):
        return order
    highest, middle = (count + 1) // 2, count // 2
    first = max(highest, (len(order) - middle) // 2)
    return order[:highest] + order[first : first + middle]


def maximise(
    model: nn.Module,
    layer: str,
    units: Sequence[int],
    starts: Tensor,
    radius: float,
    steps: int = 50,
    *,
    position: Position = "centre",
    box: bool = True,
) -> Maximised:
    """Projected ascent along the normalised gradient, in the l2 ball around each start image.

    Steps of length 2.5 * radius / steps. A linear unit w ends at start + radius * w / ||w||. All units from all starts
    go through the model as one batch. Of each path the best image is kept, so that no gain is negative.

    Args:
        model: maps images to logits.
        layer: name of a module.
        units: U indices of its output channels.
        starts: (S, C, H, W).
        radius: of the ball, over all pixels and channels.
        steps: gradient steps, at least 1.
        position: see `Position`.
        box: also keep the images in [0, 1]; starts are then expected there.

    Returns:
        Images, starts and gains, on the model's device.

    Raises:
        ConfigError: no start, no unit, a unit that the layer lacks, no step, or a radius that is not positive.
        ModelError: see `activations`.
    """
    if not isinstance(box, bool):
        raise ConfigError(f"box={box!r}: whether images stay in [0, 1], True or False")
    if not radius > 0:
        raise ConfigError(f"radius={radius}: the l2 radius must be positive")
    starts, start = _batch(model, units, starts, steps)
    ball = ThreatModel(0, "l2", "box_then_eps" if box else "none").resized(radius)  # exact
    delta = torch.zeros_like(start)
    with _responses(model, layer, units, position) as respond:
        gradient, before = _gradient(respond, start)
        best, found = before, start
        for _ in range(steps):
            delta = ball.project(start, delta + 2.5 * radius / steps * ball.steepest(gradient))
            gradient, activation = _gradient(respond, start + delta)
            better = activation > best
            best = torch.where(better, activation, best)
            found = torch.where(better.view(-1, 1, 1, 1), start + delta, found)
    return _result(found, starts, best - before)


def maximise_from_noise(
    model: nn.Module,
    layer: str,
    units: Sequence[int],
    image: Tensor,
    *,
    starts: int = 4,
    steps: int = 400,
    step: float = 0.05,
    smoothness: float = 0.0,
    position: Position = "centre",
    seed: int = 0,
) -> Maximised:
    """Ascent from N(0.5, 0.05^2) noise in the box [0, 1], without a ball; of each path the last image.

    Args:
        model: maps images to logits.
        layer: name of a module.
        units: U indices of its output channels.
        image: (C, H, W), for its shape.
        starts: S, how many noise images.
        steps: gradient steps.
        step: l2 length of a step; that of the paper is unknown.
        smoothness: 0 regularises nothing. Otherwise this times the total variation is taken off the activation, and
            each step sees the image rolled by up to `JITTER` pixels; 1e-3 is usual.
        position: see `Position`.
        seed: of the noise and the shifts; the numbers do not depend on the device.

    Returns:
        Images, starts and gains, on the model's device.

    Raises:
        ConfigError, ModelError: as `maximise`.
    """
    generator = torch.Generator().manual_seed(seed)
    noise = (0.5 + 0.05 * torch.randn(starts, *image.shape, generator=generator, dtype=image.dtype)).clamp(0, 1)
    noise, start = _batch(model, units, noise, steps)
    images, steepest = start, ThreatModel(step, "l2").steepest
    with _responses(model, layer, units, position) as respond:
        for _ in range(steps):
            if smoothness:
                shifts = torch.randint(-JITTER, JITTER + 1, (2,), generator=generator).tolist()
                gradient, _ = _gradient(functools.partial(_smooth, respond, smoothness, shifts), images)
            else:
                gradient, _ = _gradient(respond, images)
            images = (images + step * steepest(gradient)).clamp(0, 1)
        with torch.no_grad():
            gain = respond(images) - respond(start)
    return _result(images, noise, gain)


def total_variation(images: Tensor) -> Tensor:
    """Sum of |differences| of vertical and of horizontal neighbours, over all channels. (..., C, H, W) -> (...)."""
    down, across = images.diff(dim=-2).abs(), images.diff(dim=-1).abs()
    return down.sum((-3, -2, -1)) + across.sum((-3, -2, -1))


def stability(changes: Tensor) -> Tensor:
    """Mean |cosine| between what maximisation changed from different starts, per unit, in [0, 1].

    1 if every start leads to the same feature, as in a linear unit without box. Of the changes, not of the images, so
    that starts which resemble each other do not count as stability. nan for fewer than two starts, and where a unit
    changed nothing.

    Shapes: (U, S, C, H, W) -> (U,).
    """
    first, second = torch.combinations(torch.arange(changes.shape[1], device=changes.device)).T
    pairs = map_cosine(changes[:, first].flatten(0, 1), changes[:, second].flatten(0, 1))
    return pairs.abs().reshape(len(changes), -1).mean(1)


@contextlib.contextmanager
def _responses(
    model: nn.Module, layer: str, units: Sequence[int], position: Position
) -> Iterator[Callable[[Tensor], Tensor]]:
    """Give the function from images, (U * S, C, H, W) unit after unit, to the activation of each row's own unit."""
    with torch.enable_grad(), attack_mode(model, "eval"), layer_output(model, layer) as output:

        def respond(images: Tensor) -> Tensor:
            model(images)
            found = _at(output(), position, layer, len(images))
            if not all(0 <= unit < found.shape[1] for unit in units):
                raise ConfigError(f"layer {layer!r} has units 0 to {found.shape[1] - 1}, not all of {list(units)}")
            own = torch.tensor(units, device=found.device).repeat_interleave(len(images) // len(units))
            return found.gather(1, own[:, None])[:, 0]

        yield respond


def _smooth(respond: Callable[[Tensor], Tensor], smoothness: float, shifts: list[int], images: Tensor) -> Tensor:
    return respond(images.roll(shifts, (-2, -1))) - smoothness * total_variation(images)


def _gradient(respond: Callable[[Tensor], Tensor], images: Tensor) -> tuple[Tensor, Tensor]:
    """Gradient of each row's activation, and the activation."""
    images = images.detach().requires_grad_()
    activation = respond(images)
    return torch.autograd.grad(activation.sum(), images)[0], activation.detach()


def _batch(model: nn.Module, units: Sequence[int], starts: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """The starts on the model's device, and once more for every unit: (S, C, H, W), (U * S, C, H, W)."""
    if len(starts) == 0 or not units or steps < 1:
        raise ConfigError("activation maximisation takes at least one start, one unit and one step")
    starts = starts.detach().to(device_of(model))
    return starts, starts.repeat(len(units), 1, 1, 1)


def _result(images: Tensor, starts: Tensor, gain: Tensor) -> Maximised:
    return Maximised(images.reshape(-1, *starts.shape), starts, gain.reshape(-1, len(starts)))


def _at(output: Tensor, position: Position, layer: str, count: int) -> Tensor:
    """Activations of so many images: of a lone one the layer may have seen two, see `ImageModel.forward`."""
    if output.dim() not in (2, 3, 4) or (len(output) != count and (len(output), count) != (2, 1)):
        shapes = "(B, units), (B, tokens, units) or (B, units, H, W)"
        raise ModelError(f"layer {layer!r} puts out {tuple(output.shape)} for {count} images; units need {shapes}")
    if position not in get_args(Position):
        raise ConfigError(f"no position {position!r}; choose from {', '.join(get_args(Position))}")
    output = output[:count]
    if output.dim() == 4:
        centre = output[:, :, output.shape[2] // 2, output.shape[3] // 2]
        return centre if position == "centre" else output.mean((2, 3))
    if output.dim() == 3:
        return output[:, output.shape[1] // 2] if position == "centre" else output.mean(1)
    return output
