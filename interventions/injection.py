"""Injecting a carrier: adding beta times a class's vector to every image.

The features of Ortiz-Jimenez et al., "Catastrophic overfitting can be induced with discriminative non-robust features"
(TMLR 2023), the test-time ablations of them, and the controls that tell discriminative content from image statistics.
Nothing is clipped, as in the paper.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, ClassVar

import torch
from pydantic import AllowInfNan, field_validator, model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor
from typing_extensions import override

from cotoolkit.core.numbers import NonNegative, Share, Whole, refuse_beyond_range
from cotoolkit.core.registry import STRICT
from interventions.base import INTERVENTIONS, Intervention, InterventionError, pixel_extremes
from interventions.carriers import CarrierField
from interventions.projection import Project

Strength = Annotated[NonNegative, AllowInfNan(False)]
"""A finite norm, in [0, 1] pixel units; "8/255" is accepted."""

ROUNDING = 1e-2
"""By which the greatest move of a pixel may be above 1: images may be in half precision."""


@dataclass(frozen=True, config=STRICT)
class Injection(Intervention):
    """Base of the injections: x + beta times a feature per image.

    Args:
        carrier: the vectors, by name, mapping or instance.
        beta: norm of what is added (in the carrier's norm), in [0, 1] pixel units; 0 leaves the images as they are. No
            pixel moves by more than 1: in linf beta is at most 1, in l2 that is looked at as images are injected.
    """

    carrier: CarrierField
    beta: Strength

    @model_validator(mode="after")
    def _within_the_range(self) -> Injection:
        if self.carrier.norm == "linf":
            refuse_beyond_range(self.beta, "beta")
        return self

    @override
    def class_count(self, classes: int | None) -> int:
        return self.carrier.class_count(classes)

    @abstractmethod
    def features(self, vectors: Tensor, labels: Tensor | None, count: int, generator: torch.Generator | None) -> Tensor:
        """What each image gets, in units of beta.

        Args:
            vectors: (classes, C, H, W).
            labels: (B,), or None.
            count: number of images, B.
            generator: source of randomness, or None.

        Returns:
            (B, C, H, W).
        """

    @override
    def apply(
        self, images: Tensor, labels: Tensor | None, generator: torch.Generator | None, classes: int | None
    ) -> tuple[Tensor, Tensor | None]:
        _, channels, height, width = images.shape
        vectors = self.carrier.vectors(classes, (channels, height, width), images.dtype, images.device)
        added = self.beta * self.features(vectors, labels, len(images), generator)
        if self.carrier.norm == "l2" and added.numel() and not added.is_meta:
            furthest = max(map(abs, pixel_extremes(added)))
            if furthest > 1 + ROUNDING:
                raise InterventionError(
                    f"beta is {self.beta:g} in l2 and moves a pixel by {furthest:.3g}, beyond the range [0, 1]; "
                    f"give at most {self.beta / furthest:.3g}"
                )
        return images + added, labels


@dataclass(frozen=True, config=STRICT)
class _LabelledInjection(Injection):
    """Base of the injections that depend on the label alone: `class_features` gives what each class gets."""

    needs_labels: ClassVar[bool] = True

    @abstractmethod
    def class_features(self, vectors: Tensor) -> Tensor:
        """What the images of each class get, in units of beta: (classes, C, H, W) -> (classes, C, H, W)."""

    @override
    def features(self, vectors: Tensor, labels: Tensor | None, count: int, generator: torch.Generator | None) -> Tensor:
        assert labels is not None
        return self.class_features(vectors)[labels.long()]


@INTERVENTIONS.register("inject")
@dataclass(frozen=True, config=STRICT)
class Inject(_LabelledInjection):
    """x + beta v_y: the paper's injected data (known).

    Args:
        carrier: the vectors, by name, mapping or instance.
        beta: strength; beta = 8/255 to 12/255 at epsilon = 6/255 is where the paper sees induced CO on CIFAR-10.
        only: classes that get their feature; None is all of them. A control of ours: the others stay natural.

    >>> images, labels = torch.zeros(2, 1, 2, 2), torch.tensor([0, 1])
    >>> Inject("paired", beta=0.5)(images, labels, classes=2)[0].flatten(1)
    tensor([[ 0.5000, -0.5000,  0.5000, -0.5000],
            [-0.5000,  0.5000, -0.5000,  0.5000]])
    """

    only: tuple[Whole, ...] | None = None

    @override
    def class_features(self, vectors: Tensor) -> Tensor:
        if self.only is None:
            return vectors
        absent = [label for label in self.only if not 0 <= label < len(vectors)]
        if absent:
            raise InterventionError(f"inject: only names class {absent[0]}, there are {len(vectors)} classes")
        chosen = torch.tensor([label in self.only for label in range(len(vectors))], device=vectors.device)
        return vectors * chosen[:, None, None, None]


@INTERVENTIONS.register("inject_reversed")
@dataclass(frozen=True, config=STRICT)
class InjectReversed(_LabelledInjection):
    """x - beta v_y: the feature speaks against the label. With `Paired`, n even, that of class y + n / 2 modulo n."""

    @override
    def class_features(self, vectors: Tensor) -> Tensor:
        return -vectors


@INTERVENTIONS.register("inject_permuted")
@dataclass(frozen=True, config=STRICT)
class InjectPermuted(_LabelledInjection):
    """x + beta v_pi(y): the feature of another class, pi a fixed permutation of the labels without fixed points.

    A test of what a model reads: one that follows the feature predicts pi(y). That the paper uses it is our
    reconstruction.

    Args:
        carrier: the vectors, by name, mapping or instance.
        beta: strength.
        pi: pi[y] for every class y; any permutation is taken. None draws one without fixed points from `seed`.
        seed: of that draw, uniform over all such permutations.
    """

    pi: tuple[Whole, ...] | None = None
    seed: Whole = 0

    @field_validator("pi")
    @classmethod
    def _is_permutation(cls, pi: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if pi is not None and sorted(pi) != list(range(len(pi))):
            raise ValueError(f"not a permutation of 0 .. {len(pi) - 1}: {pi}")
        return pi

    def permutation(self, classes: int) -> Tensor:
        """The permutation in force: pi[y] at y, (classes,) int64 on the CPU.

        Raises:
            InterventionError: the given pi is of another length, or one class alone leaves nowhere to go.
        """
        if self.pi is not None:
            if len(self.pi) != classes:
                raise InterventionError(f"inject_permuted: pi has {len(self.pi)} entries, there are {classes} classes")
            return torch.tensor(self.pi, device="cpu")
        if classes < 2:
            raise InterventionError("inject_permuted needs two classes or more")
        generator = torch.Generator().manual_seed(self.seed)
        identity = torch.arange(classes, device="cpu")
        while True:  # about e = 2.7 draws
            pi = torch.randperm(classes, generator=generator, device="cpu")
            if (pi != identity).all():
                return pi

    @override
    def class_features(self, vectors: Tensor) -> Tensor:
        return vectors[self.permutation(len(vectors)).to(vectors.device)]


@INTERVENTIONS.register("inject_independent")
@dataclass(frozen=True, config=STRICT)
class InjectIndependent(Injection):
    """x + beta v_c, c drawn uniformly for each image, whatever its label.

    A control of ours: the statistics of injected images without discriminative content.
    """

    random: ClassVar[bool] = True

    @override
    def features(self, vectors: Tensor, labels: Tensor | None, count: int, generator: torch.Generator | None) -> Tensor:
        assert generator is not None
        return vectors[_random_classes(len(vectors), count, generator).to(vectors.device)]


@INTERVENTIONS.register("inject_correlated")
@dataclass(frozen=True, config=STRICT)
class InjectCorrelated(Injection):
    """x + beta v_c, c the label with probability rho, else drawn uniformly from all classes.

    A control of ours between `InjectIndependent`, rho = 0, and `Inject`, rho = 1: c is the label in a share of
    rho + (1 - rho) / classes of the images.

    Args:
        carrier: the vectors, by name, mapping or instance.
        beta: strength.
        rho: probability, in [0, 1], drawn for each image on its own.
    """

    needs_labels: ClassVar[bool] = True
    random: ClassVar[bool] = True

    rho: Share

    @override
    def features(self, vectors: Tensor, labels: Tensor | None, count: int, generator: torch.Generator | None) -> Tensor:
        assert labels is not None
        assert generator is not None
        own = torch.rand(count, generator=generator, device=generator.device, dtype=torch.float32) < self.rho
        other = _random_classes(len(vectors), count, generator)
        return vectors[torch.where(own.to(labels.device), labels.long(), other.to(labels.device))]


@INTERVENTIONS.register("project_then_inject", "perp")
@dataclass(frozen=True, config=STRICT)
class ProjectThenInject(_LabelledInjection):
    """x - P_V x + beta v_y: the carrier's span is emptied first, so that the feature is all there is in it.

    The paper's orthogonal variant as intended (reconstructed; its released projector removes more, see
    `ReleasedProject`). The projected images leave the box, so attacks on them should not clip to it.
    """

    @override
    def class_features(self, vectors: Tensor) -> Tensor:
        return vectors

    @override
    def apply(
        self, images: Tensor, labels: Tensor | None, generator: torch.Generator | None, classes: int | None
    ) -> tuple[Tensor, Tensor | None]:
        emptied, labels = Project(self.carrier).apply(images, labels, generator, classes)
        return super().apply(emptied, labels, generator, classes)


def _random_classes(classes: int, count: int, generator: torch.Generator) -> Tensor:
    return torch.randint(classes, (count,), generator=generator, device=generator.device)
