"""Interventions where PyTorch expects them: around a data set, in a torchvision pipeline, inside a model."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from typing_extensions import override

from interventions.base import Intervention, InterventionError


class InterventionDataset(Dataset[tuple[Tensor, int]]):
    """A map-style data set with an intervention applied to its items.

    Item i is the same whenever, in whatever order and in whichever worker it is asked for: its randomness comes from
    `seed` and i. On test data use `intervention.at_test()`, which leaves label noise out.

    Args:
        dataset: gives (image, label); images may be PIL images, arrays (H, W) or (H, W, C), or tensors (C, H, W).
            Integer pixels are scaled to [0, 1], floating ones taken as they are.
        intervention: applied to every item on its own.
        classes: number of classes of the data set.
        seed: of the items' generators.

    Items: float32 image (C, H, W) and label.

    Raises:
        InterventionError: the intervention mixes the images of a batch, which a single item has not got.
    """

    def __init__(
        self, dataset: Dataset[Any], intervention: Intervention, classes: int | None = None, seed: int = 0
    ) -> None:
        if intervention.mixes_images:
            raise InterventionError(f"{intervention.name} mixes the images of a batch: apply it to batches, not items")
        self.dataset = dataset
        self.intervention = intervention
        self.classes = classes
        self.seed = seed

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        index = range(len(self))[index]  # -1 is the last item, with the last item's randomness
        from torchvision.transforms.v2 import functional as v2  # a second to import

        image, label = self.dataset[index]
        image = v2.to_dtype(v2.to_image(image), torch.float32, scale=True).as_subclass(Tensor)
        # A seed sequence keeps (0, 1) and (1, 0) apart, and the items of one data set from those of the next.
        seed = int(np.random.SeedSequence([self.seed, index]).generate_state(1, np.uint64)[0])
        generator = torch.Generator().manual_seed(seed)
        one_label = torch.tensor([int(label)], device=image.device)
        images, labels = self.intervention(image[None], one_label, generator, classes=self.classes)
        assert labels is not None
        return images[0], int(labels[0])


class InterventionTransform(nn.Module):
    """An intervention as a step of a `torchvision.transforms.v2` pipeline.

    Its place is after `v2.ToDtype(torch.float32, scale=True)`. Takes an image (C, H, W) or a batch (B, C, H, W), plain
    or `tv_tensors.Image`, alone or with its label: an int or a 0-d tensor for an image, (B,) for a batch; gives back
    the same kinds. As everywhere in torchvision the randomness comes from PyTorch's global generator, which a data
    loader seeds in each of its workers.

    Args:
        intervention: what to apply; one that mixes images works on batches only.
        classes: number of classes of the data set.
    """

    def __init__(self, intervention: Intervention, classes: int | None = None) -> None:
        super().__init__()
        self.intervention = intervention
        self.classes = classes

    def forward(self, image: Tensor, label: Any = None) -> Any:
        """Image, or image and label if a label is given.

        Args:
            image: (C, H, W), or a batch (B, C, H, W).
            label: of it, or labels of the batch; None for none.

        Returns:
            The image, or the pair of image and label if a label is given.

        Raises:
            InterventionError: no tensor, or one image and an intervention that mixes a batch.
        """
        from torchvision import tv_tensors  # a second to import

        if not isinstance(image, Tensor):
            kind = type(image).__name__
            raise InterventionError(f"an image as a tensor is needed, not a {kind}: put v2.ToImage() before this step")
        single = image.ndim == 3
        if single and self.intervention.mixes_images:
            raise InterventionError(f"{self.intervention.name} mixes the images of a batch: give it (B, C, H, W)")
        images = image.as_subclass(Tensor)
        labels = None if label is None else torch.as_tensor(label, device=image.device)
        if single:
            images, labels = images[None], None if labels is None else labels[None]
        generator = None
        if self.intervention.random:
            generator = torch.Generator().manual_seed(int(torch.randint(2**63 - 1, (), device="cpu")))
        images, labels = self.intervention(images, labels, generator, classes=self.classes)
        if single:
            images, labels = images[0], None if labels is None else labels[0]
        if isinstance(image, tv_tensors.TVTensor):
            images = tv_tensors.wrap(images, like=image)
        if labels is None:
            return images
        return images, labels if isinstance(label, Tensor) else int(labels)

    @override
    def extra_repr(self) -> str:
        return f"{self.intervention}, classes={self.classes}"


class InterventionLayer(nn.Module):
    """An intervention as a layer of a model, (B, C, H, W) -> (B, C, H, W): a low-pass filter before the network, say.

    It acts on clean and adversarial inputs alike and gradients pass through it, so an attack sees it.

    Args:
        intervention: one without labels and randomness, differentiable.
        classes: number of classes, for those that have a carrier.

    Raises:
        InterventionError: the intervention needs labels, is random, mixes images, or stops gradients.
    """

    def __init__(self, intervention: Intervention, classes: int | None = None) -> None:
        super().__init__()
        for flag, reason in (
            (intervention.needs_labels, "needs labels"),
            (intervention.random, "is random"),
            (intervention.mixes_images, "mixes images"),
            (not intervention.differentiable, "is not differentiable"),
        ):
            if flag:
                raise InterventionError(f"{intervention.name} {reason}, so it cannot be a layer of a model")
        self.intervention = intervention
        self.classes = classes

    def forward(self, images: Tensor) -> Tensor:
        """The images after the intervention."""
        return self.intervention(images, classes=self.classes)[0]

    @override
    def extra_repr(self) -> str:
        return f"{self.intervention}, classes={self.classes}"
