"""What a training method is: one optimisation step, its declared cost, and the by-products it leaves to the signals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass as plain_dataclass
from dataclasses import field
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Protocol

import torch
from pydantic import PlainSerializer, PlainValidator
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.attacks.gradient import AttackResult
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.registry import Registered, Registry
from cotoolkit.methods.batch import Batch, TrainingSet


class Cost(NamedTuple):
    """Passes of one step over one batch, as a counting test verifies them.

    The unit is the batch: a concatenated pass of two batches counts two.

    Attributes:
        forward: batches that go through the network.
        backward: times a gradient flows back through the network's output. A double backward counts here too.
        double_backward: those backward passes that differentiate a gradient; torch.compile cannot take them.
    """

    forward: int
    backward: int
    double_backward: int = 0


@plain_dataclass(frozen=True)
class StepRecord:
    """By-products of a step, all detached. Gradients are per sample: of the summed loss, not of its mean.

    Attributes:
        losses: (B,), the cross-entropy at images + delta, without weights or regularisers.
        delta: (B, C, H, W), the perturbation trained on; None for clean training.
        logits: (B, classes), at images + delta, of the forward pass that was trained on.
        attack: the attack with its gradient and logits; None for clean training.
        update_gradient: (B, C, H, W), input gradient of the training loss at images + delta, divided by the sample's
            weight in the loss: nan where that is 0. None if not traced.
        measures: numbers of the method's own, by name; they join the step signals.
    """

    losses: Tensor
    logits: Tensor
    delta: Tensor | None = None
    attack: AttackResult | None = None
    update_gradient: Tensor | None = None
    measures: Mapping[str, Tensor] = field(default_factory=dict)


Update = Callable[[Tensor], None]
"""The trainer's: one backward pass of the loss and one optimiser step."""


class RunSettings(Protocol):
    """What a method may ask of the configuration of a run; `cotoolkit.RunConfig` is one."""

    @property
    def threat(self) -> ThreatModel:
        """The threat model of training, at its full radius."""
        ...


Family = Literal[
    "clean",
    "single step",
    "multi-step",
    "regulariser",
    "perturbation bank",
    "universal perturbation",
    "sample weighting",
    "weight perturbation",
    "wrapper",
    "own",
]
"""What kinds of methods there are: what a method adds to cross-entropy at attacked images, or where it attacks."""


class Method(Registered):
    """One way to train: `step` attacks a batch, calls `update(loss)` once or more, and returns the by-products.

    Methods hold their own hyper-parameters only. The radius belongs to the threat model, which is the run's and travels
    in the batch: one place to sweep it, to warm it up, and to evaluate at.

    Attributes:
        cost: passes of a step with the default settings.
        source: paper and code that define the method.
        family: its kind.
        formula: perturbation and loss in one line; g is the input gradient of the cross-entropy, P the projection.
        constants: where the default of each field comes from, by field: a paper, a repository, or "ours".
        bf16: whether it trains in bfloat16 as well; False where it compares numbers too close for eight bits.

    >>> from cotoolkit.methods import FGSM, Batch
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> weights = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> def update(loss):
    ...     loss.backward()
    ...     weights.step()
    >>> images, labels = torch.rand(8, 1, 2, 2), torch.arange(8) % 2
    >>> batch = Batch(images, labels, ThreatModel(8 / 255), torch.Generator().manual_seed(0))
    >>> record = FGSM().step(model, batch, update)
    >>> record.losses.shape, record.delta.shape
    (torch.Size([8]), torch.Size([8, 1, 2, 2]))
    """

    cost: ClassVar[Cost]
    source: ClassVar[str]
    family: ClassVar[Family] = "own"
    formula: ClassVar[str] = ""
    constants: ClassVar[Mapping[str, str]] = {}
    bf16: ClassVar[bool] = True

    def cost_per_step(self) -> Cost:
        """The cost of one step with these hyper-parameters."""
        return self.cost

    def check_config(self, config: RunSettings) -> None:
        """Refuse the configuration of a run; most methods fit any.

        Raises:
            ConfigError: the method cannot train under it, which is known before the first step.
        """

    def memory(self, model: nn.Module, data: TrainingSet, draws: torch.Generator) -> dict[str, Tensor]:
        """What the method remembers from step to step, at its start; most methods remember nothing.

        The trainer keeps it beside the weights: it is saved, resumed and replayed with them. A step finds it in
        `batch.memory` and changes it there, in place or by new tensors under the same names.

        Args:
            model: before the first step.
            data: of the run.
            draws: of random beginnings, on the CPU.

        Returns:
            Tensors by name, of any device.
        """
        return {}

    def averages(self, memory: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
        """Networks besides the trained one that come out of training, such as an average over it; mostly none.

        At the end of a run each is evaluated like the trained one, as LABEL:PROTOCOL, and kept as the checkpoint LABEL.
        The monitor watches the trained network alone.

        Args:
            memory: as the last step left it.

        Returns:
            State dicts of the network, by label. Statistics of BatchNorm that one leaves out are measured in the last
            epoch's steps, on the images that they train on.
        """
        return {}

    def check_data(self, images: int) -> None:
        """Refuse a training set of that many images; most methods fit any.

        Raises:
            ConfigError: the method holds something per image that does not fit.
        """

    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        """Train `model` on `batch`.

        Args:
            model: in train mode; logits out.
            batch: images, labels and the threat model.
            update: does the backward pass and the optimiser step.

        Returns:
            The by-products, for the log and the signals.
        """
        raise AssertionError(f"{type(self).__name__} defines no step")


class AttackMethod(Method):
    """Training on attacked images and nothing else: an attack, then `train_on` without a penalty."""

    def attack(self, model: nn.Module, batch: Batch) -> AttackResult:
        """The attack of one step; leaves the model as it was.

        Args:
            model: in train mode; logits out.
            batch: images, labels and the threat model.

        Returns:
            The perturbation and what the attack saw at its start.
        """
        raise AssertionError(f"{type(self).__name__} defines no attack")

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        return train_on(model, batch, self.attack(model, batch), update)


METHODS = Registry[Method]("method", everywhere="cotoolkit methods", own="method=MODULE:NAME")
"""Every training method by name."""

MethodField = Annotated[Method, PlainValidator(METHODS.parse), PlainSerializer(METHODS.dump)]
"""A method inside a pydantic model: given by name, by mapping or as an instance."""


def _inner(value: Any) -> AttackMethod:
    method = METHODS.parse(value)
    if not isinstance(method, AttackMethod):
        attacks = [name for name in METHODS.names() if issubclass(METHODS[name], AttackMethod)]
        raise ValueError(f"{method.name} is not an attack alone; choose from: {', '.join(attacks)}")
    return method


InnerField = Annotated[AttackMethod, PlainValidator(_inner), PlainSerializer(METHODS.dump)]
"""The attack that another method trains on; given like a method."""


class AdversarialPass(NamedTuple):
    """The forward pass of an update at the attacked images; `adversarial_pass` makes it.

    Attributes:
        attacked: outcome of the attack.
        images: (B, C, H, W), a leaf; it collects the update's input gradient if that is traced.
        logits: (B, classes), with their graph.
        losses: (B,), the cross-entropy, with its graph.
    """

    attacked: AttackResult
    images: Tensor
    logits: Tensor
    losses: Tensor

    def record(self, weights: Tensor | None = None, measures: Mapping[str, Tensor] | None = None) -> StepRecord:
        """What the step leaves behind; to be called after the update.

        Args:
            weights: (B,), of each sample's loss in the training loss; None where that is their mean.
            measures: the method's own numbers, detached scalars.

        Returns:
            The record, detached.
        """
        gradient = self.images.grad
        if gradient is not None:
            scale = len(self.losses) if weights is None else weights.reciprocal().view(-1, *[1] * (gradient.ndim - 1))
            gradient = gradient * scale  # 0 * inf is nan: a sample without weight has no gradient to tell of
        return StepRecord(
            self.losses.detach(),
            self.logits.detach(),
            self.attacked.delta.detach(),
            self.attacked,
            gradient,
            measures or {},
        )


def adversarial_pass(model: nn.Module, batch: Batch, attacked: AttackResult) -> AdversarialPass:
    """Logits and cross-entropy at images + delta, for an update. 1 forward; its backward is the update's.

    Args:
        model: logits out.
        batch: what the attack saw.
        attacked: its outcome.

    Returns:
        The pass, with its graph.
    """
    images = (batch.images + attacked.delta).detach()
    if batch.trace:
        images.requires_grad_()
    logits = model(images)
    losses = batch.cross_entropy(logits)
    return AdversarialPass(attacked, images, logits, losses)


def train_on(
    model: nn.Module, batch: Batch, attacked: AttackResult, update: Update, penalty: Callable[[], Tensor] | None = None
) -> StepRecord:
    """The second half of every FGSM-like step: cross-entropy at images + delta, one update. 1 forward, 1 backward.

    Args:
        model: logits out.
        batch: what the attack saw.
        attacked: its outcome.
        update: the trainer's.
        penalty: builds a regulariser to be added to the loss.

    Returns:
        The step's by-products.
    """
    found = adversarial_pass(model, batch, attacked)
    loss = found.losses.mean()
    update(loss if penalty is None else loss + penalty())
    return found.record()
