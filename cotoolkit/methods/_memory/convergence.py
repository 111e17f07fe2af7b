"""ConvergeSmooth: a loss that may not leave a band around its mean over the epoch before."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cotoolkit.methods._memory.prior import PriorPass, consistency
from cotoolkit.methods._memory.stages import inside_a_stage
from cotoolkit.methods.batch import Batch
from cotoolkit.methods.passes import StepRecord, Update, adversarial_pass
from cotoolkit.models.modes import attack_mode


def band_memory() -> dict[str, Tensor]:
    """The mean loss of the last epoch and its change from the one before; and of this epoch, sum and samples so far.

    Each is (0,) until it is known, and then ().
    """
    names = ("epoch_loss", "epoch_change", "loss_sum", "loss_samples")
    return {name: torch.zeros(0, dtype=torch.float32) for name in names}


@dataclass(frozen=True)
class Band:
    """When a reference loss is out of its band, and what that adds to the training loss.

    Attributes:
        width: of the band on each side, gamma_max.
        ratio: gamma_max / gamma_min: a band narrows to the change between the last two epochs, but not below gamma_min.
        stride: epochs at both ends of a stage without a band.
        drops: shares of training at which the learning rate drops: the ends of the stages.
        weight: of the reference loss outside of the band.
    """

    width: float
    ratio: float
    stride: float
    drops: tuple[float, ...]
    weight: float

    def side(self, batch: Batch, loss: Tensor) -> int:
        """1 where the loss is above the band, -1 below it, 0 inside or where there is none. The loss is remembered.

        Args:
            batch: of the step, with a `band_memory`.
            loss: (), the mean of the batch.

        Returns:
            The side; it waits for the device.
        """
        memory, loss = batch.memory, loss.detach().float()
        if memory["loss_sum"].numel() and batch.iteration % batch.epoch_length == 0:
            mean = memory["loss_sum"] / memory["loss_samples"]
            # After the first epoch there is no change yet: all of the loss stands for it, which leaves the band wide.
            memory["epoch_change"], memory["epoch_loss"] = mean - memory["epoch_loss"].sum(), mean
            memory["loss_sum"], memory["loss_samples"] = torch.zeros_like(mean), torch.zeros_like(mean)
        memory["loss_sum"] = memory["loss_sum"].sum() + loss * len(batch.labels)
        memory["loss_samples"] = memory["loss_samples"].sum() + len(batch.labels)
        if not memory["epoch_loss"].numel() or not inside_a_stage(batch, self.drops, self.stride):
            return 0
        width = memory["epoch_change"].clamp(self.width / self.ratio, self.width)
        distance = loss - memory["epoch_loss"]
        return int((distance.sign() * (distance.abs() > width)).item())

    def train(
        self, model: nn.Module, prior: PriorPass, delta: Tensor, update: Update, weight: float, *, at_start: bool
    ) -> StepRecord:
        """Cross-entropy at images + delta, plus or minus that of the reference where it is out of its band.

        1 forward and 1 backward; 1 forward more for a clean reference, 1 backward more for each of: a consistency term,
        a reference that is out of its band.

        Args:
            model: logits out.
            prior: the pass that the attack stepped from, with its graph if anything asks for it.
            delta: (B, C, H, W), what the attack found.
            update: the trainer's.
            weight: of the distance between the logits at the adversary and at the start.
            at_start: take the reference loss where the attack starts, not at the clean images.

        Returns:
            The step's by-products.
        """
        batch = prior.batch
        found = adversarial_pass(model, batch, prior.attack(delta))
        if at_start:
            logits = prior.logits
        else:
            with attack_mode(model, "train"):  # the running statistics are those of the attacked images
                logits = model(batch.images)
        reference = batch.cross_entropy(logits).mean()
        side = self.side(batch, reference)
        loss = found.losses.mean()
        if weight > 0:
            loss = loss + weight * consistency(found, prior)
        if side != 0 and self.weight > 0:
            loss = loss + side * self.weight * reference
        update(loss)
        measures = {"reference_loss": reference.detach(), "out_of_band": reference.new_tensor(float(side))}
        return found.record(measures=measures)
