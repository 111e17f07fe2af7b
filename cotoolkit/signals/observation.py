"""What a training loop computed anyway, and the free signals it allows: for the engine and foreign loops alike."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import product
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cotoolkit.core.errors import ConfigError, SignalError
from cotoolkit.core.user_code import located
from cotoolkit.methods import StepRecord
from cotoolkit.signals.registry import FREE, SIGNALS, SignalInfo


@dataclass(frozen=True)
class Observation:
    """By-products of one batch; any may be missing. Copies, since loops use their buffers again.

    Attributes:
        loss: (), the mean loss, where the losses are not known.
        losses: (B,), the cross-entropy that was trained on.
        start_losses: (B,), the cross-entropy where the attack started.
        logits: (B, classes), of the forward pass that was trained on: at images + delta.
        start_logits: (B, classes), where the attack started.
        labels: (B,).
        delta: (B, C, H, W), the perturbation trained on, in [0, 1] pixel units.
        attack_gradient: (B, C, H, W), the input gradient that the attack stepped along, of the summed loss.
        update_gradient: (B, C, H, W), the input gradient of the update pass, of the summed loss.
        measures: numbers of the training method's own, by name; they join the signals as they are.
    """

    loss: Tensor | None = None
    losses: Tensor | None = None
    start_losses: Tensor | None = None
    logits: Tensor | None = None
    start_logits: Tensor | None = None
    labels: Tensor | None = None
    delta: Tensor | None = None
    attack_gradient: Tensor | None = None
    update_gradient: Tensor | None = None
    measures: Mapping[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, by_products: Mapping[str, Any]) -> Observation:
        """From detached tensors by name.

        Args:
            by_products: tensors, by the names of the fields of this class.

        Returns:
            One batch's by-products.

        Raises:
            ConfigError: the by-products are of different batch sizes, or one is a mean over its batch.
        """
        for name, value in by_products.items():
            if name != "loss" and value.dim() == 0:
                hint = "; a mean loss is handed over as loss" if name.endswith("losses") else ""
                raise ConfigError(f"{name}: one value per sample is needed, not a single number{hint}")
        sizes = {name: len(value) for name, value in by_products.items() if name != "loss"}
        if len(set(sizes.values())) > 1:
            described = ", ".join(f"{name} {size}" for name, size in sizes.items())
            raise ConfigError(f"a step's by-products must be of one batch, not of sizes {described}")
        return cls(**by_products)

    @classmethod
    def of_record(cls, record: StepRecord, labels: Tensor | None) -> Observation:
        """From a method's own record, which nobody writes to any more.

        Args:
            record: what the method's step returned.
            labels: (B,), where they are known.

        Returns:
            One batch's by-products.
        """
        attack = record.attack
        return cls(
            losses=record.losses,
            logits=record.logits,
            labels=labels,
            delta=record.delta,
            start_losses=attack.losses if attack else None,
            start_logits=attack.logits if attack else None,
            attack_gradient=attack.gradient if attack else None,
            update_gradient=record.update_gradient,
            measures=record.measures,
        )

    @cached_property
    def known(self) -> tuple[str, ...]:
        """Names of the by-products at hand."""
        return tuple(name for name in BY_PRODUCTS if getattr(self, name) is not None)

    @cached_property
    def size(self) -> int:
        """Batch size; 1 where only the mean loss is known."""
        return next((len(getattr(self, name)) for name in self.known if name != "loss"), 1)

    @cached_property
    def layout(self) -> tuple[tuple[str, torch.Size, torch.device], ...]:
        """Names, shapes and devices of the by-products at hand: batches alike in these are read together."""
        values = {name: getattr(self, name) for name in self.known}
        return tuple((name, value.shape, value.device) for name, value in values.items())

    @property
    def memory(self) -> int:
        """Bytes held."""
        return sum(getattr(self, name).nbytes for name in self.known)


class StepSignals(NamedTuple):
    """What one iteration left behind.

    Attributes:
        iteration: of the update.
        signals: values by signal name.
        samples: that they are means over.
    """

    iteration: int
    signals: dict[str, float]
    samples: int


BY_PRODUCTS = tuple(field.name for field in fields(Observation) if field.name != "measures")
"""Names that the parameters of a step signal may have."""


def step_signals() -> list[SignalInfo]:
    """The signals that the by-products of a training step allow, by name: free, and of no other parameters."""
    free = (info for _, info in sorted(SIGNALS.items()) if info.cost == FREE)
    return [info for info in free if all(name in BY_PRODUCTS for name in info.inputs)]


def sample_values(observations: Sequence[Observation], left_out: Collection[str] = ()) -> dict[str, Tensor]:
    """Every step signal that the by-products allow, one value per sample.

    >>> found = sample_values([Observation(delta=torch.tensor([[3.0, 4.0]])), Observation(delta=torch.zeros(1, 2))])
    >>> found["perturbation_norm"]
    tensor([5., 0.])

    Args:
        observations: batches, at least one, of which the same by-products are known.
        left_out: names of signals that are not wanted.

    Returns:
        (samples of all batches,) by signal name.

    Raises:
        SignalError: one fails, or does not give a number for each sample.
    """
    known = observations[0].known
    joined: dict[str, Tensor] = {
        name: torch.cat([getattr(observation, name) for observation in observations])
        for name in known
        if name != "loss"
    }
    if "losses" not in joined and {"logits", "labels"} <= joined.keys():
        joined["losses"] = _cross_entropy(joined["logits"].float(), joined["labels"])
        if "start_losses" not in joined and "start_logits" in joined:  # of the same loss at both ends
            joined["start_losses"] = _cross_entropy(joined["start_logits"].float(), joined["labels"])
    values = {
        info.name: _computed(info, {name: joined[name] for name in info.inputs})
        for info in step_signals()
        if info.name not in left_out and all(name in joined for name in info.inputs)
    }
    if "loss" in known and "losses" not in joined:
        means: list[Any] = [observation.loss for observation in observations]
        values["train_loss"] = torch.cat([m.expand(o.size) for m, o in zip(means, observations, strict=True)]).float()
    return values


def _computed(info: SignalInfo, inputs: Mapping[str, Tensor]) -> Tensor:
    """A signal's values, one per sample: it may be a user's own."""
    samples = len(next(iter(inputs.values())))
    try:
        values = info.function(**inputs)
    except Exception as failure:
        raise SignalError(info.name, located(failure)) from failure
    if not isinstance(values, Tensor) or values.shape != (samples,):
        kind = f"shape {tuple(values.shape)}" if isinstance(values, Tensor) else f"a {type(values).__name__}"
        raise SignalError(info.name, f"it gives {kind}; return a tensor with one value per sample, ({samples},) here")
    return values.float()


def _cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Per sample; nan where a label is no class, which on a GPU would end the process."""
    classes = (labels >= 0) & (labels < logits.shape[1])
    losses = F.cross_entropy(logits, labels.where(classes, 0), reduction="none")
    return losses.where(classes, torch.nan)


def observed_signals(steps: Sequence[Sequence[Observation]], left_out: Collection[str] = ()) -> list[dict[str, float]]:
    """Means of the step signals for some steps at once, and the method's own measures.

    Takes no pass through the network and one transfer from its device; several steps cost little more than one, since
    on small networks it is the number of operations that counts. Samples whose value is nan are left out, except from
    `train_loss`, where nan must show; a signal that no batch of a step allows is missing.

    >>> observed_signals([[Observation(losses=torch.tensor([1.0, 3.0]))], []])
    [{'train_loss': 2.0}, {}]

    Args:
        steps: for each step its batches: one, or several under gradient accumulation.
        left_out: names of signals that are not wanted.

    Returns:
        For each step, a value by signal name.

    Raises:
        SignalError: a signal fails, or does not give a number for each sample.
    """
    alike: dict[tuple[Any, ...], list[tuple[int, Observation]]] = {}
    owners: list[tuple[int, str]] = []
    totals: list[Tensor] = []  # rows of a sum and a count, one per owner
    for position, observations in enumerate(steps):
        for observation in observations:
            alike.setdefault(observation.layout, []).append((position, observation))
    for members in alike.values():
        positions = [position for position, _ in members]
        values = sample_values([observation for _, observation in members], left_out)
        if values:
            owners += [(position, name) for name, position in product(values, positions)]
            totals.append(_sums_and_counts(values, len(members)))
    for position, observations in enumerate(steps):
        for observation in observations:
            for name, measure in observation.measures.items():
                owners.append((position, name))
                totals.append(torch.stack([measure.float(), torch.ones_like(measure, dtype=torch.float32)]).view(1, 2))
    found: list[dict[str, float]] = [{} for _ in steps]
    if totals:
        rows = {owner: row for row, owner in enumerate(dict.fromkeys(owners))}
        table = torch.cat([total.to(totals[0].device) for total in totals]).cpu()  # a mean loss may come from elsewhere
        if len(rows) < len(owners):  # several batches of one step
            table = torch.zeros(len(rows), 2, dtype=table.dtype).index_add_(
                0, torch.tensor([rows[owner] for owner in owners]), table
            )
        for (position, name), value in zip(rows, (table[:, 0] / table[:, 1]).tolist(), strict=True):
            found[position][name] = value
    return found


def _sums_and_counts(values: Mapping[str, Tensor], batches: int) -> Tensor:
    """Sum and count of the known values of each signal in each batch of one size, (signals * batches, 2)."""
    table = torch.stack(list(values.values())).view(len(values), batches, -1)
    sums, counts = table.nansum(2), table.isnan().logical_not().sum(2)
    if "train_loss" in values:
        row = list(values).index("train_loss")
        sums[row], counts[row] = table[row].sum(1), table.shape[2]
    return torch.stack([sums, counts.to(sums)], 2).flatten(0, 1)


def means(steps: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of each signal over the steps that have it; nan values are left out."""
    values: dict[str, list[float]] = {}
    for signals in steps:
        for name, value in signals.items():
            if not math.isnan(value):
                values.setdefault(name, []).append(value)
    return {name: sum(known) / len(known) for name, known in values.items()}
