"""What a training method is: one optimisation step, its declared cost, and the by-products it leaves to the signals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Protocol

import torch
from pydantic import PlainSerializer, PlainValidator
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.attacks.gradient import AttackResult
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.registry import Registered, Registry
from cotoolkit.methods.batch import Batch, TrainingSet
from cotoolkit.methods.passes import StepRecord, Update, train_on


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


class RunSettings(Protocol):
    """What a method may ask of the configuration of a run; `cotoolkit.RunConfig` is one."""

    @property
    def threat(self) -> ThreatModel:
        """The threat model of training, at its full radius."""
        ...

    @property
    def precision(self) -> str:
        """Of the network's passes: "32", or "bf16-mixed"."""
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
        costs_more: passes beyond these, and the steps that have them; empty where no step costs more.
        bf16: whether it trains in bfloat16 as well; False where it compares numbers too close for eight bits, and a run
            refuses it.
        averages_weights: whether it keeps an average of the weights; two such methods do not go together.

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
    costs_more: ClassVar[str] = ""
    bf16: ClassVar[bool] = True
    averages_weights: ClassVar[bool] = False

    @property
    def parts(self) -> tuple[Method, ...]:
        """The method, the one that it stands around, and so on, from the outside in."""
        inner = getattr(self, "inner", None)
        return (self, *inner.parts) if isinstance(inner, Method) else (self,)

    def cost_per_step(self) -> Cost:
        """The cost of one step with these hyper-parameters."""
        return self.cost

    def updates_per_step(self) -> int:
        """Updates of the weights in one step: 1, but where a step trains on its batch again and again."""
        return 1

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


METHODS = Registry[Method]("method", everywhere="cotoolkit methods")
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
