"""Which frequencies a decision rests on: by how much the logit falls when a band of them is taken out of the image.

Feature ablation, by captum, whose features are bands of DCT coefficients instead of pixels.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from captum.attr import FeatureAblation
from torch import Tensor, nn

from analyses.features.attributions.integrated_gradients import as_explained
from cotoolkit.core.device import device_of
from cotoolkit.core.errors import ConfigError
from cotoolkit.models.modes import attack_mode
from interventions.frequency import dct2, frequency_radius, idct2


class BandAblation(NamedTuple):
    """What bands of frequencies contribute, for B images and K bands.

    Attributes:
        drop: (B, K), logit of the image minus that of the image without the band; above 0 where the band speaks for
            the class.
        edges: (K + 1,), limits of the bands in half-cycles per image, from 0 to max(H, W): band k has the square DCT
            shells from edge k up to, and without, edge k + 1.
    """

    drop: Tensor
    edges: Tensor


def band_ablation(model: nn.Module, images: Tensor, targets: Tensor, *, bands: int = 8) -> BandAblation:
    """Take one band of DCT frequencies at a time out of all channels, and see how far the target's logit falls.

    The first band holds the mean brightness. Without a band an image may leave [0, 1]; it is not clipped, since that
    would put frequencies back. For a linear model the drops of all bands sum to the logit minus the bias.

    Args:
        model: maps images to logits.
        images: (B, C, H, W).
        targets: (B,), the class whose logit is explained.
        bands: K, of as nearly equal width as whole shells allow; one forward pass each, and one more.

    Returns:
        The drops and the bands' limits, on the model's device.

    Raises:
        ConfigError: fewer than 1 band, or more than there are shells.
    """
    height, width = images.shape[-2:]
    shells = max(height, width)
    if not 1 <= bands <= shells:
        raise ConfigError(f"bands={bands}: images of {height} x {width} have 1 to {shells} bands of frequencies")
    images, targets = images.detach().to(device_of(model)), targets.to(device_of(model))
    edges = torch.linspace(0, shells, bands + 1, dtype=torch.float64).round().to(images.device)
    band = torch.bucketize(frequency_radius(height, width, device=images.device).double(), edges, right=True) - 1
    network = as_explained(model)

    def from_spectrum(spectrum: Tensor) -> Tensor:
        logits: Tensor = network(idct2(spectrum).to(images.dtype))
        return logits

    with torch.no_grad(), attack_mode(model, "eval"):
        mask = band.expand(1, *images.shape[1:])
        found: Tensor = FeatureAblation(from_spectrum).attribute(dct2(images), target=targets, feature_mask=mask)
    firsts = [(band == number).flatten().nonzero()[0, 0] for number in range(bands)]  # all of a band are credited alike
    return BandAblation(found[:, 0].flatten(1)[:, torch.stack(firsts)], edges)
