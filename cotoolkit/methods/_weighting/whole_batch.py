"""The losses of the whole batch where several processes hold parts of it: what batch-wide weights are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from cotoolkit.core.distributed import all_gather, rank_and_world
from cotoolkit.methods._weighting.worst_case import WorstCase, effective_share
from cotoolkit.methods.passes import AdversarialPass


class WholeBatch(NamedTuple):
    """The losses of the whole batch, that of all processes.

    Attributes:
        weighed: (n,), the losses that decide the weights.
        abnormal: (n,) bool, samples whose loss the attack lowered.
        own: where those of this process stand.
    """

    weighed: Tensor
    abnormal: Tensor
    own: slice

    @classmethod
    def of(cls, weighed: Tensor, found: AdversarialPass) -> WholeBatch:
        """Gather what every process knows.

        Args:
            weighed: (B,), losses of this process.
            found: its pass at the attacked images.

        Returns:
            The losses of all processes.
        """
        abnormal = (found.raised < found.attacked.losses).to(weighed)
        (losses, flags), own = all_gather(torch.stack([weighed.detach(), abnormal]))
        return cls(losses, flags.bool(), own)

    def of_this_process(self, weights: Tensor) -> Tensor:
        """This process's weights, so that the mean over processes of its gradients is the weighted sum over all."""
        return weights[self.own].to(self.weighed) * rank_and_world()[1]

    def measures(self, weights: Tensor, worst: WorstCase) -> Mapping[str, Tensor]:
        """What a step has to say of its weights, by the names in which it is logged.

        Args:
            weights: (n,), those used.
            worst: the worst case they come from.

        Returns:
            0-dim tensors by name.
        """
        abnormal = self.abnormal.double()
        return {
            "worst_case_value": worst.value,
            "plain_mean": self.weighed.double().mean(),
            "max_weight": weights.amax(),
            "ess": effective_share(weights),
            "atom_weight": worst.atom,
            "abnormal_weight": (weights * abnormal).sum() / weights.sum(),
            "abnormal_share": abnormal.mean(),
        }
