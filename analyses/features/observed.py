"""What networks make of the same images: the maps, filters and maximising images that statistics are computed from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor, nn

from analyses.features.attributions.attribution import Method, attribute
from analyses.features.attributions.faithfulness import Curves, deletion_insertion
from analyses.features.filters import first_filters
from analyses.features.gradients import gradients_of_loss
from analyses.features.maximisation import Maximised, activations, maximise
from cotoolkit.attacks import gradient
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.device import device_of

METHODS: dict[Method, str] = {
    "integrated_gradients": "integrated gradients",
    "saliency": "saliency",
    "gradient_shap": "gradient SHAP",
}
"""The attribution methods of the table, and how texts call them; `input_x_gradient` is a crude form of the first."""


@dataclass(frozen=True)
class Effort:
    """How much is computed.

    Attributes:
        path_steps: points on each path of integrated gradients, at first; more where completeness asks for them.
        shap_samples: random points per image of gradient SHAP.
        units: per layer, for activation maximisation in the first, middle and last hidden layer.
        starts: the first so many images are where maximisation starts.
        ascent_steps: of maximisation.
    """

    path_steps: int = 50
    shap_samples: int = 10
    units: int = 8
    starts: int = 4
    ascent_steps: int = 30


DEFAULT_EFFORT = Effort()


@dataclass(frozen=True)
class ImageSetting:
    """What is the same for all networks of a table.

    Attributes:
        images: (B, C, H, W).
        labels: (B,).
        threat: the threat model of FGSM; with the box "none" maximisation leaves [0, 1], too.
        directions: (n, C, H, W), whose span is compared with gradients and perturbations, if any.
        effort: how much is computed.
        seed: of gradient SHAP, of the randomised layer, and of the bootstrap.
        radius: l2 radius of maximisation; None means `default_radius`.
    """

    images: Tensor
    labels: Tensor
    threat: ThreatModel
    directions: Tensor | None = None
    effort: Effort = DEFAULT_EFFORT
    seed: int = 0
    radius: float | None = None


@dataclass(frozen=True)
class ObservedNetwork:
    """What one network makes of the images, each computed when it is first asked for, and on the CPU.

    Attributes:
        model: the network.
        setting: the images, and what else is the same for all networks.
    """

    model: nn.Module
    setting: ImageSetting

    @cached_property
    def gradients(self) -> Tensor:
        """(B, C, H, W), of the loss with respect to each image."""
        return gradients_of_loss(self.model, self.setting.images, self.setting.labels).cpu()

    @cached_property
    def perturbations(self) -> Tensor:
        """(B, C, H, W), of FGSM."""
        images, labels = (tensor.to(device_of(self.model)) for tensor in (self.setting.images, self.setting.labels))
        return gradient.fgsm(self.model, images, labels, self.setting.threat, bn_mode="eval").delta.cpu()

    @cached_property
    def attributions(self) -> dict[Method, Tensor]:
        """A batch of maps, (B, C, H, W), of the labels' logits by each of `METHODS`."""
        setting, effort = self.setting, self.setting.effort
        steps = {method: effort.shap_samples if method == "gradient_shap" else effort.path_steps for method in METHODS}
        return {
            method: attribute(
                self.model, setting.images, setting.labels, method, steps=steps[method], seed=setting.seed
            ).cpu()
            for method in METHODS
        }

    @cached_property
    def curves(self) -> Curves:
        """Deletion and insertion by the maps of integrated gradients."""
        path = self.attributions["integrated_gradients"]
        return deletion_insertion(self.model, self.setting.images, self.setting.labels, path)

    @cached_property
    def filters(self) -> Tensor:
        """(units, C, h, w), of the first layer."""
        return first_filters(self.model, self.setting.images[0]).cpu()

    def vectors(self, name: str) -> Tensor:
        """The gradients ("input_gradient") or the perturbations ("fgsm")."""
        return self.gradients if name == "input_gradient" else self.perturbations


@dataclass(frozen=True)
class ComparedNetwork:
    """A network and those that it is compared with.

    Attributes:
        own: the network.
        references: "clean" and "robust".
    """

    own: ObservedNetwork
    references: Mapping[str, ObservedNetwork]


@dataclass(frozen=True)
class MaximisedUnits:
    """Activation maximisation of some units of a layer.

    Attributes:
        found: for U units from S starts.
        spread: (U,), standard deviation of each unit's activation over the images.
    """

    found: Maximised
    spread: Tensor


def maximised_units(
    model: nn.Module, layer: str, units: list[int], images: Tensor, radius: float, effort: Effort, *, box: bool
) -> MaximisedUnits:
    """Maximise units from the first images.

    Args:
        model: maps images to logits.
        layer: name of a module.
        units: U indices of its output channels.
        images: (B, C, H, W), at least two.
        radius: of the l2 ball around each start.
        effort: how many starts and steps.
        box: whether to keep to [0, 1].

    Returns:
        What was found, on the model's device.

    Raises:
        ConfigError, ModelError: as `maximise`.
    """
    found = maximise(model, layer, units, images[: effort.starts], radius, effort.ascent_steps, box=box)
    return MaximisedUnits(found, activations(model, layer, images)[:, units].std(dim=0))
