"""FGSM-FUAP: FGSM from one of many universal perturbations, chosen by what the network sees in the image."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from annotated_types import Ge, Gt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.optim.adam import adam
from typing_extensions import override

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import Number, Whole
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._memory.universal import UniversalMethod, universal_memory
from cotoolkit.methods._terms.penultimate import penultimate
from cotoolkit.methods._terms.smoothing import smoothed_targets
from cotoolkit.methods.base import METHODS, Cost
from cotoolkit.methods.batch import Batch, TrainingSet
from cotoolkit.methods.passes import StepRecord, Update
from cotoolkit.models.modes import attack_mode

LAYERS = ("choice.weight", "choice.bias", "classes.weight", "classes.bias")
"""Of the small classifier, in the memory, each with Adam's two means behind it."""


@METHODS.register("fuap", "FGSM-FUAP")
@dataclass(frozen=True, config=STRICT)
class FUAP(UniversalMethod):
    """`uap` with many perturbations: each image starts from the one whose linear feature of the network is largest.

    The network's penultimate features at x + eta, eta uniform in the ball, go through a linear layer with one output
    for each perturbation, a ReLU and a linear layer with one output for each class. That small classifier trains beside
    the network, by a step of Adam on the same targets after the choice, without a gradient to the network. The start is
    P(eta + u). A perturbation that no image of a batch chose stays as it is.

    Weights and Adam's state of the classifier are in the memory. Targets as in `fgsm_mep`: those of a wrapper win.

    >>> FUAP().cost_per_step()
    Cost(forward=3, backward=3, double_backward=0)

    Args:
        alpha: step in pixel units; None means the radius.
        amplitude: of the universal perturbations, in pixel units; None means 1.25 epsilon.
        decay: of their momentum.
        weight: of the mean squared distance of the logits at the adversary and at the start.
        smoothing: mass that each label spreads over all classes, its own among them.
        perturbations: how many there are.
        rate: learning rate of the small classifier.

    Raises:
        ConfigError: from `memory`: the network does not end in an nn.Linear.
    """

    perturbations: Annotated[Whole, Ge(1)] = 50
    rate: Annotated[Number, Gt(0)] = 0.001

    cost: ClassVar[Cost] = Cost(forward=3, backward=3)
    source: ClassVar[str] = (
        "Pan, Li & Yao, AAAI 2024; fgsm_fuap.py of fzjcdt/FastAT_Benchmark, by the same first author"
    )
    formula: ClassVar[str] = "as UAP, from η + u_k, η ~ U(-ε, ε), k = argmax of linear features of the network at x + η"
    constants: ClassVar[Mapping[str, str]] = {
        **UniversalMethod.constants,
        "perturbations": "code: 50",
        "rate": "code: Adam at 0.001",
    }

    @override
    def memory(self, model: nn.Module, data: TrainingSet, draws: torch.Generator) -> dict[str, Tensor]:
        last = [module for module in model.modules() if isinstance(module, nn.Linear)]
        if not last:
            raise ConfigError("method fuap: the network has to end in an nn.Linear, whose inputs choose a perturbation")
        memory = universal_memory(self.perturbations, data.shape, draws)
        memory["updates"] = torch.zeros((), dtype=torch.float32)
        sizes = (last[-1].in_features, self.perturbations, data.classes)
        for layer, inputs, outputs in zip(("choice", "classes"), sizes, sizes[1:], strict=False):
            for part, shape in (("weight", (outputs, inputs)), ("bias", (outputs,))):
                drawn = torch.rand(shape, generator=draws, device=draws.device, dtype=torch.float32)
                tensor = (2 * drawn - 1) / math.sqrt(inputs)  # as torch's Linear begins
                name = f"{layer}.{part}"
                memory |= {name: tensor, f"{name}.mean": 0 * tensor, f"{name}.square": 0 * tensor}
        return memory

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        noise = batch.threat.random_start(batch.images, batch.generator)
        with penultimate(model) as seen, attack_mode(model, "train"), torch.no_grad():
            model(batch.images + noise)
        keys = self._choose(batch, seen.features)
        return self.train(model, batch, update, keys, noise)

    def _choose(self, batch: Batch, features: Tensor) -> Tensor:
        """The perturbation of each image, (B,); then the small classifier learns from the batch."""
        memory = batch.memory
        layers = [memory[name].detach().requires_grad_() for name in LAYERS]
        with torch.enable_grad():
            scores = F.linear(features, layers[0], layers[1])
            logits = F.linear(F.relu(scores), layers[2], layers[3])
            targets = batch.targets
            if targets is None:
                targets = smoothed_targets(batch.labels, logits.shape[1], self.smoothing, "all")
            gradients = torch.autograd.grad(F.cross_entropy(logits, targets), layers)
        steps = [memory["updates"].to("cpu", copy=True) for _ in layers]
        means, squares = ([memory[f"{name}.{kind}"] for name in LAYERS] for kind in ("mean", "square"))
        with torch.no_grad():  # in place, on what the memory holds
            adam(
                layers,
                list(gradients),
                means,
                squares,
                [],
                steps,
                amsgrad=False,
                beta1=0.9,
                beta2=0.999,
                lr=self.rate,
                weight_decay=0.0,
                eps=1e-8,
                maximize=False,
            )
        memory["updates"] = memory["updates"] + 1
        return scores.detach().argmax(1)
