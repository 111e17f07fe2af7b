"""Reads a foreign training loop: collects what its steps computed, and makes free signals of several steps at once."""

from __future__ import annotations

import inspect
import itertools
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from cotoolkit.core.distributed import gather_values, rank_and_world
from cotoolkit.core.errors import ConfigError, SignalError
from cotoolkit.core.user_code import describe
from cotoolkit.methods import StepRecord
from cotoolkit.monitor.loops.by_products import (
    FIRST_BATCHES,
    IMAGES,
    Expected,
    check_values,
    in_one_form,
    in_pixels,
    unknown_name,
    without_soft_labels,
)
from cotoolkit.monitor.loops.failures import Failures
from cotoolkit.signals.observation import Observation, StepSignals, means, observed_signals, step_signals

log = logging.getLogger(__name__)

MAX_BUFFERED_STEPS = 8
"""Iterations whose signals are read together, at most; a breakpoint is noticed that much later."""

MAX_BUFFERED_BYTES = 64 * 2**20
"""By-products of a foreign loop that wait for that, at most; beyond it their signals are computed, and wait."""

ON_DEMAND = frozenset({"gradient_norm", "linearity", "participation_ratio", "pert_align", "perturbation_norm"})
"""Free signals that a `BreakpointMonitor` leaves out unless asked for all: the early warning follows none of them, and
gradients and perturbations cost a small network more time to keep than all that it does follow."""

ALWAYS_KEPT = frozenset({"loss", "losses", "start_losses", "logits", "start_logits", "labels"})
"""By-products that losses are read from, or made of."""

READING = "reading by-products"
"""What fails where a step's by-products cannot be read."""


class StepBuffer:
    """The part of a monitor that takes in by-products.

    Args:
        expected: of the by-products. Perturbations and gradients come in units of the model's input and are kept in
            pixel units.
        trace_every: iterations between update gradients that are wanted.
        left_out: names of signals that are not computed.

    Attributes:
        iteration: updates seen.
        failures: what went wrong so far.
    """

    def __init__(self, expected: Expected, trace_every: int, left_out: frozenset[str] = frozenset()) -> None:
        self.expected, self.trace_every, self.left_out = expected, trace_every, left_out
        self.iteration = 0
        self.failures = Failures(log.warning)
        self._wanted = self._by_products()
        self._looked_at = 0
        self._told_soft = False
        self._attacked: dict[str, Tensor] = {}
        self._batches: list[Observation | dict[str, Tensor]] = []
        self._waiting: list[list[Observation | dict[str, Tensor]]] = []
        self._held = 0
        self._computed: list[StepSignals] = []
        self._read_at = 0

    @property
    def trace(self) -> bool:
        """Whether signals of the coming step read its update gradient: `adversarial.requires_grad_(monitor.trace)`."""
        return "update_gradient" in self._wanted and (self.iteration + 1) % self.trace_every == 0

    def _by_products(self) -> frozenset[str]:
        """Those that a signal reads, or that others are made of; the rest is not kept."""
        read = {name for info in step_signals() if info.name not in self.left_out for name in info.inputs}
        makes = {"delta": {"images", "adversarial"}, "update_gradient": {"adversarial"}}
        return frozenset(ALWAYS_KEPT.union(read, *(of for name, of in makes.items() if name in read)))

    @torch.inference_mode(False)  # what is kept has to be an ordinary tensor, also inside a validation hook
    def observe(
        self,
        record: StepRecord | None = None,
        *,
        labels: Tensor | None = None,
        loss: Tensor | float | None = None,
        losses: Tensor | None = None,
        start_losses: Tensor | None = None,
        logits: Tensor | None = None,
        start_logits: Tensor | None = None,
        images: Tensor | None = None,
        adversarial: Tensor | None = None,
        delta: Tensor | None = None,
        attack_gradient: Tensor | None = None,
        update_gradient: Tensor | None = None,
        attack_scale: float | None = None,
        update_scale: float | None = None,
        **unknown: Any,
    ) -> None:
        """Take in what one batch left behind, all of it optional; needed under gradient accumulation only.

        Images, perturbations and gradients are in the units of the model's input. What is kept is copied. By-products
        that cannot be are refused in the first `FIRST_BATCHES` batches; later they are left out, and told once.

        Args:
            record: of a method of this package; nothing but `labels` is read beside it.
            labels: (B,) class numbers of any kind; of soft ones (B, classes) nothing is read.
            loss: the mean loss, if the losses are not at hand.
            losses: (B,), the cross-entropy that was trained on.
            start_losses: (B,), the cross-entropy where the attack started.
            logits: (B, classes), of the forward pass that was trained on.
            start_logits: (B, classes), where the attack started.
            images: (B, C, H, W), clean; with `adversarial` they give delta.
            adversarial: (B, C, H, W), what the update pass saw. A `.grad` of it is the update gradient.
            delta: (B, C, H, W), the perturbation that was trained on.
            attack_gradient: (B, C, H, W), the input gradient that the attack stepped along.
            update_gradient: (B, C, H, W), the input gradient of the update pass.
            attack_scale: makes `attack_gradient` that of the summed loss; None: the batch size, for a mean loss.
            update_scale: likewise; times K under accumulation over K batches, if the loop divides the loss by K.
            unknown: is refused.

        Raises:
            ConfigError: in one of the first batches: by-products of different batch sizes, one of another shape, kind
                or range, or one that has no name.
        """
        given = {name: value for name, value in locals().items() if name in BY_PRODUCTS and value is not None}
        scales = {"attack_gradient": attack_scale, "update_gradient": update_scale}
        first = self._looked_at < FIRST_BATCHES
        self._looked_at += 1
        attacked, self._attacked = self._attacked, {}
        try:
            if unknown:
                raise unknown_name(next(iter(unknown)), BY_PRODUCTS | {"attack_scale", "update_scale"})
            small = None if first or attacked or record is not None else self._as_given(given)
            self._keep(self._read(record, given, scales, attacked, first=first) if small is None else small)
        except Exception as problem:
            if first:
                raise ConfigError(_reason(problem)) from problem
            self.failures.note(READING, _reason(problem))

    def _as_given(self, given: Mapping[str, Any]) -> dict[str, Tensor] | None:
        """Copies of what is wanted, if that is losses, logits and labels in tensors; None if it is more.

        They are brought to one form when they are read: the code for several steps in a row takes a fraction of the
        time that it takes for each after a step of training, whose own code it has to make way for.
        """
        copies: dict[str, Tensor] = {}
        for name, value in given.items():
            if name in self._wanted:
                if name not in ALWAYS_KEPT or not isinstance(value, Tensor):
                    return None
                copies[name] = value.detach().clone()
        return copies

    def _read(
        self,
        record: StepRecord | None,
        given: dict[str, Any],
        scales: dict[str, Any],
        attacked: dict[str, Tensor],
        *,
        first: bool,
    ) -> Observation:
        """One batch's by-products, in pixel units and of the summed loss."""
        if record is not None:
            if not isinstance(record, StepRecord):
                kind = type(record).__name__
                raise ConfigError(f"by-products are handed over by name, such as losses=...; a {kind} came without")
            given = {name: value for name, value in given.items() if name == "labels"}
        adversarial = given.get("adversarial")
        if isinstance(adversarial, Tensor) and (adversarial.is_leaf or adversarial.retains_grad):
            given.setdefault("update_gradient", adversarial.grad)
        wanted = given.keys() if first else self._wanted  # the first ones are looked into whoever reads them
        looked_into = {name: value for name, value in given.items() if name in wanted and value is not None}
        tensors = in_one_form(looked_into, self.expected.binary)
        if "adversarial" in tensors and "images" in tensors:
            tensors.setdefault("delta", tensors["adversarial"] - tensors["images"])
        if first:
            check_values(tensors, self.expected)
        if record is not None:
            labels = self._with_class_numbers({name: value.clone() for name, value in tensors.items()}).get("labels")
            return Observation.of_record(record, labels)
        copies = {name: value.clone() for name, value in tensors.items() if name not in IMAGES}
        for name in ("delta", *scales):
            if name in tensors:
                copies[name] = in_pixels(tensors[name], name, scales.get(name), self.expected.statistics)
        kept = {name: value for name, value in {**attacked, **copies}.items() if name in self._wanted}
        return Observation.of(self._with_class_numbers(kept))

    def _with_class_numbers(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Without soft labels; what cannot be told then is told once."""
        known, left_out = without_soft_labels(tensors)
        if left_out and not self._told_soft:
            log.warning("labels are soft, %s: left out %s", tuple(tensors["labels"].shape), ", ".join(left_out))
            self._told_soft = True
        return known

    def _close_step(self) -> None:
        """The batches since the last call were one iteration."""
        self.iteration += 1
        self._waiting.append(self._batches)
        self._batches = []
        if self._held > MAX_BUFFERED_BYTES:
            self._compute()

    @property
    def _due(self) -> bool:
        """Whether it is time to read signals: iterations alone decide, since no process knows the buffer of another."""
        return self.iteration - self._read_at >= MAX_BUFFERED_STEPS

    def _compute(self) -> None:
        """Make signals of the by-products at hand, in this process alone, and let the by-products go."""
        self._wanted = self._by_products()  # a signal may have been registered
        waiting, self._waiting, self._held = self._waiting, [], 0
        steps = [self._observations(batches) for batches in waiting]
        found: list[dict[str, float]] = [{} for _ in waiting]
        with self.failures.caught("computing the free signals"):
            found = self._signals_of(steps)
        for ago, (signals, step) in enumerate(zip(found, steps, strict=True), start=1 - len(waiting)):
            self._computed.append(StepSignals(self.iteration + ago, signals, sum(batch.size for batch in step)))

    def _observations(self, batches: Sequence[Observation | dict[str, Tensor]]) -> list[Observation]:
        """Batches in one form, those that cannot be brought to it left out."""
        found = []
        for batch in batches:
            try:
                found.append(batch if isinstance(batch, Observation) else self._observation(batch))
            except Exception as problem:
                self.failures.note(READING, _reason(problem))
        return found

    def _observation(self, batch: Mapping[str, Tensor]) -> Observation:
        return Observation.of(self._with_class_numbers(in_one_form(batch, self.expected.binary)))

    def _signals_of(self, steps: list[list[Observation]]) -> list[dict[str, float]]:
        """The signals of some steps; one that fails is left out from now on, and the others go on."""
        while True:
            try:
                return observed_signals(steps, self.left_out)
            except SignalError as failure:
                self.failures.note(f"computing the signal {failure.signal}", failure.problem)
                self.left_out |= {failure.signal}

    def unread(self) -> dict[str, Any]:
        """What the iterations since the last reading left behind, as JSON data.

        Of several processes each has signals of its own, and one of them keeps the state: it holds none of them.
        """
        self._compute()
        known = self._computed if rank_and_world()[1] == 1 else []
        return {"read_at": self._read_at, "signals": [list(one) for one in known]}

    def load_unread(self, read_at: int, signals: list[StepSignals]) -> None:
        """Inverse of `unread`."""
        self._forget()
        self._read_at, self._computed = read_at, signals

    def _signals(self) -> list[StepSignals]:
        """The free signals of the iterations since the last call: means over the processes, which call it alike."""
        self._compute()
        own, self._computed, self._read_at = self._computed, [], self.iteration
        known: dict[int, list[StepSignals]] = {}
        for one in itertools.chain.from_iterable(gather_values(own)):
            known.setdefault(one.iteration, []).append(one)
        return [
            StepSignals(iteration, means([one.signals for one in found]), sum(one.samples for one in found))
            for iteration, found in sorted(known.items())
        ]

    def _forget(self) -> None:
        """Drop what has not been read."""
        self._attacked, self._batches, self._waiting, self._held, self._computed = {}, [], [], 0, []

    def _keep(self, batch: Observation | dict[str, Tensor]) -> None:
        self._batches.append(batch)
        self._held += batch.memory if isinstance(batch, Observation) else sum(one.nbytes for one in batch.values())


def _reason(problem: Exception) -> str:
    return str(problem) if isinstance(problem, ConfigError) else f"by-products: {describe(problem)}"


BY_PRODUCTS = frozenset(inspect.signature(StepBuffer.observe).parameters) - {
    "self",
    "record",
    "attack_scale",
    "update_scale",
    "unknown",
}
"""Names of what a step can hand over, besides the scales of its gradients."""
