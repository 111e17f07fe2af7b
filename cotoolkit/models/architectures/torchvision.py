"""torchvision's classifiers, by its names."""

from __future__ import annotations

import difflib

from pydantic.dataclasses import dataclass
from torch import nn
from typing_extensions import override

from cotoolkit.core.errors import ModelError
from cotoolkit.core.registry import STRICT
from cotoolkit.models.registry import MODELS, ModelSpec, Shape

NAMES = "https://docs.pytorch.org/vision/stable/models.html#classification"


@MODELS.register("torchvision")
@dataclass(frozen=True, config=STRICT)
class Torchvision(ModelSpec):
    """A classifier of torchvision with random weights; in text `torchvision:resnet18`.

    Attributes:
        architecture: torchvision's name for it.
    """

    architecture: str

    @override
    def build(self, shape: Shape, classes: int) -> nn.Module:
        """The network for 3-channel images; many of them were made for 224 x 224 and need at least 32 x 32.

        Args:
            shape: (3, H, W) of the images.
            classes: number of classes.

        Returns:
            The network, in train mode: images (B, C, H, W) to logits (B, classes).

        Raises:
            ModelError: torchvision has no such classifier, the images have not 3 channels, or the classifier has
                auxiliary outputs in training.
        """
        from torchvision import models

        known = models.list_models(module=models)
        if self.architecture not in known:
            near = difflib.get_close_matches(self.architecture, known, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"its names are on {NAMES}"
            raise ModelError(f"torchvision has no classifier {self.architecture!r}: {hint}")
        if shape[0] != 3:
            raise ModelError(f"torchvision:{self.architecture} takes images with 3 channels; the data has {shape[0]}")
        network: nn.Module = models.get_model(self.architecture, weights=None, num_classes=classes)
        if getattr(network, "aux_logits", False):
            raise ModelError(f"torchvision:{self.architecture} has auxiliary outputs in training; choose one without")
        return network
