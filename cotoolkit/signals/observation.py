"""What a training loop computed anyway, and the free signals it allows."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cotoolkit.core.errors import ConfigError
from cotoolkit.methods import StepRecord
from cotoolkit.signals import SIGNALS, step

STEP_SIGNALS: dict[str, Callable[..., Tensor]] = {name: vars(step)[name] for name in SIGNALS if name in vars(step)}
"""Each takes by-products by the names of its parameters, which are those of `Observation`."""

NEEDS = {name: tuple(inspect.signature(function).parameters) for name, function in STEP_SIGNALS.items()}


@dataclass(frozen=True)
class Observation:
    """By-products of one batch; any may be missing. Copies, since loops use their buffers again.

    Attributes:
        loss: (), the mean loss, where the losses are not known.
        losses: (B,), the cross-entropy that was trained on.
        start_losses: (B,), the cross-entropy where the attack started.
        logits: (B, classes), of the forward pass that was trained on.
        start_logits: (B, classes), where the attack started.
        labels: (B,).
        delta: (B, C, H, W), the perturbation trained on, in [0, 1] pixel units.
        attack_gradient: (B, C, H, W), the input gradient that the attack stepped along, of the summed loss.
        update_gradient: (B, C, H, W), the input gradient of the update pass, of the summed loss.
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

    @classmethod
    def of(cls, by_products: Mapping[str, Tensor]) -> Observation:
        """From detached tensors by name.

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
        """From a method's own record, which nobody writes to any more."""
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
        )

    @property
    def known(self) -> tuple[str, ...]:
        """Names of the by-products at hand."""
        return tuple(field.name for field in fields(self) if getattr(self, field.name) is not None)

    @property
    def size(self) -> int:
        """Batch size; 1 where only the mean loss is known."""
        return next((len(getattr(self, name)) for name in self.known if name != "loss"), 1)

    @property
    def memory(self) -> int:
        """Bytes held."""
        return sum(getattr(self, name).nbytes for name in self.known)


def observed_signals(steps: Sequence[Sequence[Observation]]) -> list[dict[str, float]]:
    """Means of the free signals for some steps at once, each of one or several batches (gradient accumulation).

    Takes no pass through the network and one transfer from its device. Samples whose value is nan are left out, except
    from `train_loss`, where nan must show; a signal that no batch of a step allows is missing.

    Returns:
        For each step, a value by signal name.
    """
    groups: dict[tuple[str, ...], list[tuple[int, Observation]]] = {}
    for position, observations in enumerate(steps):
        for observation in observations:
            groups.setdefault(observation.known, []).append((position, observation))
    owners: list[tuple[int, str]] = []
    totals: list[Tensor] = []  # (signals, 2) for each batch: sum and count
    for known, members in groups.items():
        together = {name: [getattr(observation, name) for _, observation in members] for name in known}
        values = _per_sample(together, [observation.size for _, observation in members])
        if not values:
            continue
        table = torch.stack(list(values.values())).float()
        counts = ~table.isnan()
        if "train_loss" in values:
            counts[list(values).index("train_loss")] = True
        summed = torch.stack([table.where(counts, 0), counts.float()])
        batches = summed.split([observation.size for _, observation in members], 2)
        for (position, _), batch in zip(members, batches, strict=True):
            totals.append(batch.sum(2).T)
            owners.extend((position, name) for name in values)
    found: list[dict[str, float]] = [{} for _ in steps]
    if not totals:
        return found
    sums: dict[tuple[int, str], tuple[float, float]] = {}
    table = torch.cat([total.to(totals[0].device) for total in totals])  # a mean loss may come from elsewhere
    for owner, (total, count) in zip(owners, table.tolist(), strict=True):
        before = sums.get(owner, (0.0, 0.0))
        sums[owner] = before[0] + total, before[1] + count
    for (position, name), (total, count) in sums.items():
        found[position][name] = total / count if count else torch.nan
    return found


def means(steps: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of each signal over the steps that have it; nan values are left out."""
    values: dict[str, list[float]] = {}
    for signals in steps:
        for name, value in signals.items():
            if not math.isnan(value):
                values.setdefault(name, []).append(value)
    return {name: sum(known) / len(known) for name, known in values.items()}


def _per_sample(together: dict[str, list[Tensor]], sizes: list[int]) -> dict[str, Tensor]:
    """Every signal that the by-products of some batches allow, one value per sample of them all."""
    joined: dict[str, Any] = {name: torch.cat(parts) for name, parts in together.items() if name != "loss"}
    values: dict[str, Tensor] = {}
    if "losses" not in joined and {"logits", "labels"} <= joined.keys():
        joined["losses"] = F.cross_entropy(joined["logits"].float(), joined["labels"], reduction="none")
    if "losses" in joined:
        values["train_loss"] = joined["losses"]
    elif "loss" in together:
        values["train_loss"] = torch.cat([loss.expand(n) for loss, n in zip(together["loss"], sizes, strict=True)])
    if {"logits", "labels"} <= joined.keys():
        values["train_accuracy"] = (joined["logits"].argmax(1) == joined["labels"]).float()
    for name, needed in NEEDS.items():
        if all(part in joined for part in needed):
            values[name] = STEP_SIGNALS[name](*(joined[part] for part in needed))
    return values
