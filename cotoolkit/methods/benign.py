"""BAT-style training: samples that the network is confidently wrong about weigh less.

A reconstruction of Benign Adversarial Training (Xu et al., 2021, arXiv 2106.04794). Its abstract could be read, its
method section could not. Every formula here is what the method is believed to be, and every constant and default a
choice of ours; none may be quoted as the paper's. See docs/benign_at.md.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

import torch
from annotated_types import Gt
from pydantic import model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import NonNegative, Number, Share
from cotoolkit.core.registry import STRICT
from cotoolkit.data.image_masks import MarksFile, marks_of, read_marks
from cotoolkit.methods._terms.discrimination import Discrimination, Form, discrimination
from cotoolkit.methods._terms.penultimate import penultimate
from cotoolkit.methods._weighting.suspicion import effective_size, suspicion
from cotoolkit.methods.around_method import AroundMethod
from cotoolkit.methods.base import METHODS, Cost, Family, InnerField
from cotoolkit.methods.batch import Batch
from cotoolkit.methods.fgsm import FGSM
from cotoolkit.methods.passes import StepRecord, Update, adversarial_pass
from cotoolkit.models.modes import attack_mode

_flags = functools.lru_cache(maxsize=4)(read_marks)  # every step asks for them; the name says the content


def benign_weights(confidence: Tensor, flagged: Tensor, alpha: float) -> Tensor:
    """Weights exp(-alpha q) of flagged samples, 1 of the others; reconstructed.

    >>> benign_weights(torch.tensor([0.0, 0.9]), torch.tensor([True, False]), alpha=1.0)
    tensor([1., 1.])

    Args:
        confidence: (B,), q, of the likeliest wrong class.
        flagged: (B,) bool.
        alpha: strength, at least 0.

    Returns:
        (B,), in (0, 1].
    """
    return torch.where(flagged, torch.exp(-alpha * confidence.detach()), torch.ones_like(confidence))


def opposite_weights(weights: Tensor, flagged: Tensor) -> Tensor:
    """The control of the opposite sign: flagged samples weigh 1, all others c, with the same effective size.

    c solves (n + u c)^2 = e (n + u c^2) for n flagged, u unflagged samples and effective size e; it is in [0, 1]. Where
    the flagged alone are more than e, or where all are flagged, no c reaches e: c is 0, or there is nothing to weigh
    down. Where none is flagged all weigh 1.

    Args:
        weights: (B,), those to be matched in effective size.
        flagged: (B,) bool.

    Returns:
        (B,), in [0, 1].
    """
    n, u = flagged.double().sum(), (~flagged).double().sum()
    e = effective_size(weights.double())
    root = (n * u * e * (n + u - e)).clamp_min(0).sqrt()
    c = torch.nan_to_num(n * (e - n) / (n * u + root), nan=1.0).clamp(0, 1)
    return torch.where(flagged, torch.ones_like(weights), c.to(weights))


@METHODS.register("benign", "BAT-style")
@dataclass(frozen=True, config=STRICT)
class BenignStyle(AroundMethod):
    """BAT-style (reconstructed): samples that are confidently taken for another class after the attack weigh less.

    loss = mean_i w_i CE(f(x_i + delta_i), y_i) + beta * D, with w_i = exp(-alpha q_i) where a wrong class is likelier
    than the label (`suspicion`), else 1. The weights have no gradient and cost no pass. With alpha = beta = 0 it is the
    inner method, bit for bit, and before `start` it is so but for beta. D is `discrimination` over the penultimate
    features of the attacked and the clean images together, so that each has a positive. That is 1 forward and 1
    backward more, the latter from the features on. BatchNorm normalises the clean images by themselves, and its running
    statistics are those of the attacked ones.

    The average of q over epochs that the specification allows is left out. Overlaps of the flags with earlier ones are
    counted in the analysis (`analyses.memorisation`), not here.

    Measures: `flagged`, share of the batch that is flagged, also before `start`; `mean_weight`; `effective_size`, in
    samples; `flagged_confidence`, mean q of the flagged; `discrimination`, D; `skipped_anchors`, share of the features
    without a positive. nan where there is nothing to tell.

    >>> BenignStyle(alpha=2.0, beta=0.5).cost_per_step()  # D costs one pass more
    Cost(forward=3, backward=3, double_backward=0)

    Args:
        inner: the attack trained on.
        alpha: strength of the weights.
        tau: least confidence of a flag; 0 flags every misclassified sample.
        start: share of training before which all weights are 1, since early on everything is misclassified.
        reduction: "mean" over the batch, which also lowers the effective learning rate; "normalised" by the sum of w.
        beta: weight of D.
        temperature: of D.
        form: of D: "dot" or "distance" (forms 1 and 2 of the specification).
        weights: "online" as above; controls: "permuted" among the batch; "scaled", each sample at the batch mean of w;
            "opposite", `opposite_weights`; and "given", which takes the flags from `flags`, not their confidence.
        flags: .npy file with one bool per training image (PATH, which becomes PATH#DIGEST), for given weights.

    Raises:
        ConfigError: from `check_data` or a step: flags that do not fit, or a batch that does not know its indices.
        ModelError: from a step: beta > 0 and a network that does not end in an nn.Linear.
    """

    inner: InnerField = FGSM()
    alpha: NonNegative = 1.0
    tau: Share = 0.0
    start: Share = 0.5
    reduction: Literal["mean", "normalised"] = "mean"
    beta: NonNegative = 0.0
    temperature: Annotated[Number, Gt(0)] = 0.5
    form: Form = "dot"
    weights: Literal["online", "permuted", "scaled", "opposite", "given"] = "online"
    flags: MarksFile | None = None

    cost: ClassVar[Cost] = Cost(forward=2, backward=2)
    source: ClassVar[str] = "reconstructed after Xu et al., arXiv 2106.04794"
    family: ClassVar[Family] = "sample weighting"
    formula: ClassVar[str] = (
        "δ of the inner attack;  mean w CE(x + δ) + β D,  w = exp(-α q) where a wrong class is likelier, else 1"
    )
    constants: ClassVar[Mapping[str, str]] = {
        "inner": "ours",
        "alpha": "ours: reconstructed",
        "tau": "ours",
        "start": "ours",
        "reduction": "ours",
        "beta": "ours: off",
        "temperature": "ours: reconstructed",
        "form": "ours: reconstructed",
        "weights": "ours",
        "flags": "ours: none",
    }

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.weights == "given") != (self.flags is not None):
            raise ValueError("weights='given' and flags=PATH go together; give both or neither")
        if self.weights == "scaled" and self.reduction == "normalised":
            raise ValueError("scaled weights are all equal, so that normalising undoes them: take reduction='mean'")
        return self

    @override
    def cost_per_step(self) -> Cost:
        inner, more = self.inner.cost_per_step(), int(self.beta > 0)
        return Cost(inner.forward + more, inner.backward + more, inner.double_backward)

    @override
    def check_data(self, images: int) -> None:
        super().check_data(images)
        if self.flags is not None:
            try:
                marks_of(self.flags, images)
            except ConfigError as error:
                raise ConfigError(f"method.flags: {error}") from None

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        attacked = self.inner.attack(model, batch)
        unknown = batch.images.new_tensor(torch.nan)
        found, separation = None, Discrimination(unknown, unknown)
        if self.beta == 0:
            found = adversarial_pass(model, batch, attacked)
        else:
            with penultimate(model) as seen:
                found = adversarial_pass(model, batch, attacked)
                features = seen.features
                with attack_mode(model, "train"):  # the running statistics are those of the attacked images
                    model(batch.images)
                features = torch.cat([features, seen.features])
            separation = discrimination(features, batch.labels.repeat(2), self.temperature, self.form)

        confidence, flagged = suspicion(found.logits, batch.labels, self.tau)
        weights = torch.ones_like(confidence)
        factors = None
        if self.alpha > 0 and batch.progress >= self.start:
            weights = self._weights(confidence, flagged, batch)
            factors = weights / (len(weights) if self.reduction == "mean" else weights.sum())
        loss = found.losses.mean() if factors is None else (factors * found.losses).sum()
        update(loss if self.beta == 0 else loss + self.beta * separation.loss)

        measures = {
            "flagged": flagged.float().mean(),
            "mean_weight": weights.mean(),
            "effective_size": effective_size(weights),
            "flagged_confidence": (confidence * flagged).sum() / flagged.sum(),
            "discrimination": separation.loss.detach(),
            "skipped_anchors": separation.skipped,
        }
        return found.record(factors, measures)

    def _weights(self, confidence: Tensor, flagged: Tensor, batch: Batch) -> Tensor:
        """The weights (B,) of a batch under `self.weights`, without a gradient."""
        if self.weights == "given":
            assert self.flags is not None
            if batch.indices is None:
                raise ConfigError("method.flags: this batch does not say which training images it holds")
            flagged = _flags(self.flags).to(batch.indices.device)[batch.indices]
        weights = benign_weights(confidence, flagged, self.alpha)
        match self.weights:
            case "permuted":
                order = torch.randperm(len(weights), generator=batch.generator, device=batch.generator.device)
                return weights[order.to(weights.device)]
            case "scaled":
                return weights.mean().expand_as(weights)
            case "opposite":
                return opposite_weights(weights, flagged)
            case _:
                return weights
