"""A network and its points, ready for one measurement; with its modes and statistics left as they were."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple, Unpack

from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from cotoolkit.core.device import Device, available
from cotoolkit.core.seeding import fork_global_rng
from cotoolkit.data.points import Points
from cotoolkit.intake.door import LOOKED_AT, ModelOptions, outside_inference
from cotoolkit.intake.model import ImageModel, bounds_of
from cotoolkit.intake.points import chosen_points, states_classes
from cotoolkit.intake.preparation import image_model
from cotoolkit.models.modes import attack_mode

BATCH = 256
"""Points that go through the network together."""


class BroughtNetwork(NamedTuple):
    """What can be measured.

    Attributes:
        model: logits out, in evaluation mode, on the device of the points.
        points: images in [0, 1].
        places: (N,) int64, of the points in the data as they were given.
    """

    model: ImageModel
    points: Points
    places: Tensor


@contextlib.contextmanager
def brought(
    model: nn.Module, data: Any, *, points: int, seed: int, device: Device, **takes: Unpack[ModelOptions]
) -> Iterator[BroughtNetwork]:
    """Check and convert a network and its data, as a diagnosis does.

    Args:
        model: see `image_model`.
        data: see `points_of`.
        points: at most so many.
        seed: of their choice, and of a network that is random.
        device: "auto" takes a GPU if there is one.
        takes: how the model takes its images.

    Yields:
        The network in evaluation mode, and the points.
    """
    place = available(device)
    takes["bounds"] = bounds = bounds_of(model, takes.get("bounds", (0.0, 1.0)))
    with outside_inference():
        chosen = chosen_points(data, points=points, seed=seed, bounds=bounds)
        images, labels, classes = chosen.points
        shape = (images.shape[1], images.shape[2], images.shape[3])
        network = image_model(model, shape=shape, classes=classes, exact=states_classes(data), device=place, **takes)
        ready = Points(images.to(place), labels.to(place), classes)
        with attack_mode(network, "eval"), fork_global_rng(seed, "layers"), sdpa_kernel(SDPBackend.MATH):
            network.read_probabilities(ready.images[:LOOKED_AT])
            yield BroughtNetwork(network, ready, chosen.places)
