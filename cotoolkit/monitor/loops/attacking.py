"""Attacks for a loop to train on, whose by-products need not be handed over."""

from __future__ import annotations

import torch
from torch import Tensor

from cotoolkit.core.distributed import rank_and_world
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.seeding import generator
from cotoolkit.methods import AttackMethod
from cotoolkit.monitor.loops.by_products import FIRST_BATCHES, check_values, in_one_form
from cotoolkit.monitor.loops.watched import WatchedModel
from cotoolkit.monitor.step_buffer import StepBuffer


class AttackingBuffer(StepBuffer):
    """The part of a monitor that takes in by-products, and makes those of attacks itself.

    Args:
        watched: is attacked.
        method: what `attack` does; None as long as there is nothing to do.
        trace_every: iterations between update gradients that are wanted.
        left_out: names of signals that are not computed.

    Raises:
        ConfigError: the method is no attack.
    """

    def __init__(
        self, watched: WatchedModel, method: AttackMethod | None, trace_every: int, left_out: frozenset[str]
    ) -> None:
        if method is not None and not isinstance(method, AttackMethod):
            raise ConfigError(f"method: give an attack, such as FGSM(), not {method!r}")
        super().__init__(watched.expected, trace_every, left_out)
        self.watched, self.method = watched, method
        self._attacks = 0

    @torch.inference_mode(False)
    def attack(self, images: Tensor, labels: Tensor) -> Tensor:
        """What `method` makes of a batch, for the loop to train on; the next step's signals take in its by-products.

        BatchNorm's running statistics and the gradients of parameters stay as they were. This is the loop's own
        computation: what fails in it, raises.

        Args:
            images: (B, C, H, W), as the model takes them.
            labels: (B,), or soft, (B, classes).

        Returns:
            (B, C, H, W), adversarial, detached.

        Raises:
            ConfigError: no method, before a rescue; images and labels that do not fit.
        """
        if self.method is None:
            raise ConfigError("the monitor has no method to attack with: give method=FGSM(), or wait for a rescue")
        given = in_one_form({"images": images, "labels": labels})
        # Tensors of inference mode have no gradients, and a validation hook's may be such.
        given = {name: value.clone() if value.is_inference() else value for name, value in given.items()}
        if self._attacks < FIRST_BATCHES:
            check_values(given, self.expected)
        count, labels = len(given["images"]), given["labels"]
        if len(labels) != count:
            raise ConfigError(f"labels: {len(labels)} for {count} images")
        if labels.dim() == 1 and labels.is_floating_point() and not torch.equal(labels, labels.round()):
            raise ConfigError("labels: class numbers (B,) are needed, not shares; soft ones are (B, classes)")
        given["labels"] = labels.long() if labels.dim() == 1 else labels.float()
        rank, world = rank_and_world()
        draws = generator(self.watched.seed, "attack", self._attacks * world + rank, given["images"].device)
        self._attacks += 1
        adversarial, found = self.watched.attack(self.method, given["images"], given["labels"], draws)
        self._attacked = {
            "delta": found.delta,
            "start_losses": found.losses,
            "start_logits": found.logits,
            "attack_gradient": found.gradient,
            "labels": given["labels"].clone(),
        }
        return adversarial
