"""What is measured at the end of a run: its network, and those that its method gives besides it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from cotoolkit.evaluation.protocol import run_protocol
from cotoolkit.methods._memory.averaging import STATISTICS
from cotoolkit.training.core import TrainerCore
from cotoolkit.training.preparation import as_trained
from cotoolkit.training.snapshot import copied_tensors


def networks_besides(trainer: TrainerCore) -> dict[str, nn.Module]:
    """The networks that the method gives besides the trained one.

    Args:
        trainer: at its end; stays as it is, but for the global random numbers.

    Returns:
        Copies of the network, by label.
    """
    found = {}
    for label, weights in trainer.method.averages(trainer.memory).items():
        network = copy.deepcopy(trainer.module)
        missing, unexpected = network.load_state_dict(weights, strict=False)
        assert not unexpected
        assert all(name.rpartition(".")[2] in STATISTICS for name in missing)
        if missing:
            measure_statistics(trainer, network)
        found[label] = network
    return found


def measure_statistics(trainer: TrainerCore, network: nn.Module) -> None:
    """Set BatchNorm's running statistics to the means over an epoch of training steps that change no weight.

    They so come from the images that the method trains on, attacked with this network's gradients; and a step moves
    the statistics once, by those images alone. The steps are those of the last epoch.

    Args:
        trainer: at its end.
        network: of its architecture.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean
    model, memory = as_trained(network, trainer.config.precision).train(), copied_tensors(trainer.memory)

    def without_step(loss: Tensor) -> None:
        loss.backward()
        network.zero_grad()

    for iteration in range(trainer.total - len(trainer.batches), trainer.total):
        batch = replace(trainer.prepared(iteration, trace=False), memory=memory)
        trainer.method.step(model, batch, without_step)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def evaluated(trainer: TrainerCore, besides: Mapping[str, nn.Module]) -> dict[str, Any]:
    """Accuracies on the test set with their protocol cards.

    Args:
        trainer: at its end.
        besides: further networks, by label.

    Returns:
        By protocol; of the further networks by LABEL:PROTOCOL.
    """
    config, results = trainer.config, {}
    for label, network in {"": trainer.module, **besides}.items():
        for name in config.evaluation:
            found = run_protocol(network, *trainer.test, config.threat, name, seed=config.seed)
            key = f"{label}:{name}" if label else name
            results[key] = {**found.accuracy._asdict(), "card": found.card}
    return results
