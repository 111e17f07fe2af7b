"""timm's classifiers, by its names (extra `cotoolkit[timm]`)."""

from __future__ import annotations

import difflib
from typing import Any

from pydantic.dataclasses import dataclass
from torch import nn
from typing_extensions import override

from cotoolkit.core.errors import ModelError
from cotoolkit.core.registry import STRICT
from cotoolkit.models.registry import MODELS, ModelSpec, Shape


@MODELS.register("timm")
@dataclass(frozen=True, config=STRICT)
class Timm(ModelSpec):
    """A classifier of timm with random weights; in text `timm:resnet18` or `timm:resnet18.a1_in1k`.

    Attributes:
        architecture: timm's name for it.
    """

    architecture: str

    @override
    def build(self, shape: Shape, classes: int) -> nn.Module:
        """The network for images of this shape; nothing is downloaded.

        Args:
            shape: (C, H, W) of the images; transformers of one input size are made for H x W.
            classes: number of classes.

        Returns:
            The network, in train mode: images (B, C, H, W) to logits (B, classes).

        Raises:
            ModelError: timm is missing, has no such classifier, or cannot make it for this shape.
        """
        try:
            import timm
        except ImportError:
            raise ModelError(f"timm:{self.architecture} needs timm: pip install 'cotoolkit[timm]'") from None
        if not timm.is_model(self.architecture):
            near = difflib.get_close_matches(self.architecture.partition(".")[0], timm.list_models(), n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "timm.list_models() names them"
            raise ModelError(f"timm has no classifier {self.architecture!r}: {hint}")
        known = timm.get_pretrained_cfg(self.architecture)
        size: dict[str, Any] = {"img_size": shape[1:]} if known is not None and known.fixed_input_size else {}
        try:
            network: nn.Module = timm.create_model(
                self.architecture, pretrained=False, num_classes=classes, in_chans=shape[0], **size
            )
        except Exception as failure:  # whatever the architecture's own code raises
            reason = " ".join(str(failure).split())
            raise ModelError(f"timm:{self.architecture} cannot be made for images of shape {shape}: {reason}") from None
        return network
