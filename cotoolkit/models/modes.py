"""The mode in which an attack sees a network."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Literal

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

BatchNormMode = Literal["train", "eval"]
"""How BatchNorm normalises during the attack: by the statistics of the attacked batch, or by the running ones.

"train" is the default inside a training step, since the update that follows normalises by batch statistics too: attack
and update then see the same function. In both modes the running statistics stay as they were. (The field's released
code lets the attack pass update them a second time.)
"""


@contextlib.contextmanager
def attack_mode(model: nn.Module, bn_mode: BatchNormMode) -> Iterator[None]:
    """Put the model into the mode an attack sees it in, and every module back as it was afterwards.

    With "eval" the whole model is in eval mode. With "train" modules keep their mode, and BatchNorm layers that are
    training use the batch's statistics without touching the running ones.

    Args:
        model: whose mode changes inside the block.
        bn_mode: see `BatchNormMode`.

    Returns:
        A context manager.
    """
    if bn_mode == "eval":
        training = {module: module.training for module in model.modules()}
        model.eval()
        try:
            yield
        finally:
            for module, was_training in training.items():
                module.training = was_training
        return
    tracking = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.training and m.track_running_stats]
    for module in tracking:
        module.track_running_stats = False
    try:
        yield
    finally:
        for module in tracking:
            module.track_running_stats = True
