"""Everything that decides what a run computes, as one validated, hashable piece of data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import yaml
from annotated_types import Ge, Gt, Lt
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from cotoolkit.attacks.threat_model import Box, Norm, ThreatModel, check_reach
from cotoolkit.core.digest import stamped
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.identity import differences, identity_of, rounded
from cotoolkit.core.numbers import NonNegative, Number, Radius, Whole
from cotoolkit.core.registry import UnknownName
from cotoolkit.core.validation import one_line, refusing_in_one_line, unknown_field
from cotoolkit.data import DataConfig
from cotoolkit.evaluation.protocol import known_protocol
from cotoolkit.methods import FGSM, Method, MethodField
from cotoolkit.methods._settings.every_method import check_method
from cotoolkit.models import STATISTICS, ModelField, SmallCNN
from cotoolkit.monitor.config import MonitorConfig
from cotoolkit.optimizers import SGD, OptimizerField
from cotoolkit.remedies import RemedyField
from interventions import InterventionField

LEAST_MOMENTUM = 0.8
"""Where a cycled momentum turns: the default of torch's CyclicLR."""

LONGEST_NAME = 200
"""Bytes of a data set's name, which may be a path, in the name of a folder: file systems allow 255 for all of it."""

OPTIONAL_FIELDS = ("intervention", "input_layer", "remedy")
"""Fields that may be left out, also by saying "none"."""

FORMAT: Literal[4] = 4
"""Version of the configuration's meaning and defaults. A change that alters what an old file computes raises it, and so
does a changed default; a new field with a default does not."""


@refusing_in_one_line
class Schedule(BaseModel):
    """Learning rate, momentum and radius as functions of progress through training.

    Attributes:
        kind: "cyclic" rises linearly from 0 to the peak and falls linearly back to 0; "multistep" multiplies by 0.1 at
            each milestone; "constant".
        peak: share of training at which the cyclic schedule peaks. Wong, N-FGSM and co_features use 0.5, GradAlign 0.4.
        milestones: shares of training at which the multistep schedule drops.
        cycle_momentum: run momentum (of Adam, the first beta) from its value down to 0.8 and back, opposite to a cyclic
            learning rate, as torch's CyclicLR does by default and the released code of co_features therefore did.
        epsilon_warmup: epochs over which the radius grows linearly from 0, as N-FGSM does on SVHN (5).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["cyclic", "multistep", "constant"] = "cyclic"
    peak: Annotated[Number, Gt(0), Lt(1)] = 0.5
    milestones: tuple[Number, ...] = (0.5, 0.75)
    cycle_momentum: bool = False
    epsilon_warmup: NonNegative = 0

    def _height(self, progress: float) -> float:
        """Of the triangle, from 0 over 1 to 0."""
        return progress / self.peak if progress < self.peak else (1 - progress) / (1 - self.peak)

    def rate(self, progress: float) -> float:
        """Learning rate at a progress in [0, 1], as a share of its peak."""
        if self.kind == "cyclic":
            return self._height(progress)
        if self.kind == "multistep":
            return 0.1 ** sum(progress >= milestone for milestone in self.milestones)
        return 1.0

    def momentum(self, progress: float, base: float) -> float:
        """Momentum at a progress in [0, 1].

        Args:
            progress: in [0, 1].
            base: the optimiser's own momentum.

        Returns:
            The momentum of a step.
        """
        if not (self.cycle_momentum and self.kind == "cyclic"):
            return base
        return base - (base - LEAST_MOMENTUM) * self._height(progress)

    def radius(self, epoch: float) -> float:
        """Radius after a (fractional) number of epochs, as a share of the full one."""
        return 1.0 if epoch >= self.epsilon_warmup else epoch / self.epsilon_warmup


@refusing_in_one_line
class RunConfig(BaseModel):
    """One training run. Radii and strengths are in [0, 1] pixel units; "8/255" is accepted.

    All numbers are rounded to single precision, in which images are, and stand as people write them: see
    `identity.nearest`. So 8/255, "8/255" and np.float32(8 / 255) make equal configurations.

    Attributes:
        format: version of what the fields mean; a file of another one is refused.
        data: the data set, its subsets, held-out split and augmentation; a name is enough.
        model: the network; a name is enough.
        normalise: whose pixel statistics become the model's first layer: a key of `models.STATISTICS`, "none", or
            "auto" for those of the run's own data set, if known.
        intervention: what is done to the data before training and evaluation.
        input_layer: an intervention inside the model, before its first layer: it acts on clean and adversarial inputs
            alike and gradients pass through it, as the low-pass filter of co_features does.
        method: how a step trains; a name is enough.
        epsilon: radius of the threat model, for training and evaluation alike; at most 1 in linf.
        norm: of the threat model.
        box: order of the clamps to the ball and to [0, 1], see `threat_model.Box`.
        epochs: passes over the training set; the last incomplete batch of each is left out.
        batch_size: images per step.
        optimizer: how a gradient becomes an update; a name is enough.
        learning_rate: peak of the schedule.
        weight_decay: of all parameters; added to the gradient, but decoupled in adamw.
        decay_norm_and_bias: False spares parameters of at most one dimension: biases, and the scales of norm layers.
        schedule: learning rate, momentum and radius over time.
        precision: "32", or "bf16-mixed" for the network's passes; perturbations stay float32.
        monitor: how closely the run is watched.
        remedy: what is done about a loss of robustness besides the method; a name is enough.
        evaluation: protocols measured on the test set at the end: clean, fgsm, pgd-STEPS, pgd-STEPS-RESTARTS, or
            attack=module:function, see `evaluation.own_attack`.
        initial: safetensors file with weights to start from, such as a run's checkpoint; None starts from the seed's.
            It stands in the configuration with a stamp of its content, PATH#DIGEST.
        keep: iterations after which the weights are kept as checkpoints; 0 is the start.
        seed: of every random source, see `seeding.Label`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[4] = 4
    data: DataConfig = DataConfig(name="digits")
    model: ModelField = SmallCNN()
    normalise: str = "auto"
    intervention: InterventionField | None = None
    input_layer: InterventionField | None = None
    method: MethodField = FGSM()
    epsilon: Radius = 8 / 255
    norm: Norm = "linf"
    box: Box = "box_then_eps"
    epochs: Annotated[Whole, Ge(1)] = 30
    batch_size: Annotated[Whole, Ge(1)] = 128
    optimizer: OptimizerField = SGD()
    learning_rate: Annotated[Number, Gt(0)] = 0.2
    weight_decay: NonNegative = 5e-4
    decay_norm_and_bias: bool = True
    schedule: Schedule = Schedule()
    precision: Annotated[Literal["32", "bf16-mixed"], BeforeValidator(str)] = "32"  # 32 is typed as a number
    monitor: MonitorConfig = MonitorConfig()
    remedy: RemedyField | None = None
    evaluation: tuple[str, ...] = ("clean", "fgsm", "pgd-50")
    initial: str | None = None
    keep: tuple[Annotated[Whole, Ge(0)], ...] = ()
    seed: Annotated[Whole, Ge(0)] = 0

    @field_validator("*", mode="wrap")
    @classmethod
    def _rounded(cls, value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
        valid = validate(value)
        near = rounded(valid)
        # again, for a limit may lie between a number and the rounded one
        return valid if near is valid else validate(near)

    @field_validator("normalise")
    @classmethod
    def _known_statistics(cls, name: str) -> str:
        if name not in ("auto", "none", *STATISTICS):
            raise UnknownName("normalisation", name, ["auto", "none", *STATISTICS])
        return name

    @field_validator("keep")
    @classmethod
    def _in_order(cls, iterations: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(iterations)))

    @field_validator("initial")
    @classmethod
    def _stamped(cls, name: str | None) -> str | None:
        try:
            return None if name is None else stamped(name, "weights")
        except ConfigError as error:
            raise ValueError(str(error)) from None

    @field_validator("evaluation")
    @classmethod
    def _known_protocols(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            known_protocol(name)
        return names

    @model_validator(mode="before")
    @classmethod
    def _explain(cls, values: Any) -> Any:
        """Say the two things pydantic would say badly: a part without its name, and a name that is nearly right."""
        if not isinstance(values, Mapping):
            return values
        if values.get("format", FORMAT) != FORMAT:
            raise ValueError(f"format {values['format']} is of another version of cotoolkit; this one reads {FORMAT}")
        values = {
            name: None if name in OPTIONAL_FIELDS and value == "none" else value for name, value in values.items()
        }
        part = values.get("intervention")
        if isinstance(part, Mapping) and "name" not in part:
            fields = ", ".join(f"intervention.{field}" for field in part)
            raise ValueError(
                f"{fields} without an intervention: add intervention=NAME, for example intervention=inject"
            )
        for name in values:
            if name not in cls.model_fields:
                raise ValueError(unknown_field(name, cls.model_fields))
        return values

    @model_validator(mode="after")
    def _fits_the_method(self) -> RunConfig:
        for method in self.methods:
            check_method(method, self)
        return self

    @model_validator(mode="after")
    def _within_the_range_of_images(self) -> RunConfig:
        check_reach(self.epsilon, self.norm)
        return self

    @model_validator(mode="after")
    def _cycled_momentum_goes_down(self) -> RunConfig:
        if self.schedule.cycle_momentum and self.optimizer.momentum < LEAST_MOMENTUM:
            raise ValueError(
                f"schedule.cycle_momentum runs momentum down to {LEAST_MOMENTUM}; "
                f"optimizer {self.optimizer.name} starts at {self.optimizer.momentum:g}"
            )
        return self

    @property
    def methods(self) -> tuple[Method, ...]:
        """All methods that may train: the run's, and those of its remedy."""
        successors = None if self.remedy is None else self.remedy.successors()
        return self.method, *(successors or ())

    @property
    def threat(self) -> ThreatModel:
        """The threat model of training and evaluation."""
        return ThreatModel(self.epsilon, self.norm, self.box)

    @property
    def statistics(self) -> str:
        """Key of `models.STATISTICS` that `normalise` comes to, or "none"."""
        if self.normalise != "auto":
            return self.normalise
        return self.data.name if self.data.name in STATISTICS else "none"

    @property
    def identity(self) -> str:
        """12 hex digits of a hash of what differs from the defaults: equal for equal runs, the key of the run's folder.

        A new field with a default leaves it as it is.
        """
        return identity_of(FORMAT, differences(self))

    @property
    def title(self) -> str:
        """A short name for people, not unique."""
        method: Method = self.method
        data = re.sub(r"[^\w.]+", "_", self.data.name).encode()[-LONGEST_NAME:].decode(errors="ignore")
        return f"{data}-{self.model.name}-{method.name}"

    def to_data(self) -> dict[str, Any]:
        """Plain JSON data; `RunConfig.parse` makes an equal configuration of it."""
        return self.model_dump(mode="json")

    def to_yaml(self) -> str:
        """The resolved configuration as it stands in a run's folder."""
        return yaml.safe_dump(self.to_data(), sort_keys=False)

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> RunConfig:
        """From plain data, with errors in one line.

        Raises:
            ConfigError: naming the field, what is wrong with it, and the nearest valid names.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise ConfigError(one_line(error)) from None
