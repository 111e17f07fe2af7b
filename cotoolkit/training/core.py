"""The one training loop, iteration by iteration: methods step, and any iteration can be gone back to and repeated.

Several processes may share the batches. Everything random is a function of the seed and the iteration (`seeding`), so
a run resumes, and the monitor replays, exactly: to the bit on a CPU with the same number of threads; on a GPU as far as
its kernels are deterministic.
"""

from __future__ import annotations

import weakref

import torch
from torch import Tensor

from cotoolkit.config import RunConfig
from cotoolkit.core.device import Device, available
from cotoolkit.core.distributed import rank_and_world, taken_by_rank0
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.processes.patience import sign_of_life
from cotoolkit.core.seeding import derive, generator, seed_layers
from cotoolkit.data import Batches, apply_intervention, load
from cotoolkit.evaluation.own_attack import OwnAttack
from cotoolkit.evaluation.probe import Enough, ProbeResult
from cotoolkit.evaluation.protocol import known_protocol
from cotoolkit.methods import Batch, Method, StepRecord
from cotoolkit.models.initial_weights import load_initial
from cotoolkit.monitor.replay import ReplayMonitor
from cotoolkit.optimizers import Updates
from cotoolkit.runs.checkpoints import network
from cotoolkit.training.preparation import as_trained, first_memory, probe_of, settle_memory_format
from cotoolkit.training.snapshot import Snapshot, copied_tensors
from cotoolkit.training.treatment import Treatment


class TrainerCore:
    """Trains one configuration: `step` is one iteration, and any can be repeated.

    Args:
        config: what to train.
        device: "auto" takes a GPU if there is one; of several processes each names its own.
        download: let torchvision fetch missing data.

    Attributes:
        iteration: updates done.
        total: updates of the whole run.
        module: the network itself.
        model: what the passes of training go through: the network in its precision, shared by all processes.

    Raises:
        ConfigError: the configuration cannot be trained here.
    """

    def __init__(self, config: RunConfig, *, device: Device | torch.device = "auto", download: bool = False) -> None:
        self.config = config
        self.device = device if isinstance(device, torch.device) else torch.device(available(device))
        self.rank, self.world = rank_and_world()
        splits = load(config.data, config.seed, download=download)
        for method in config.methods:
            method.check_data(len(splits.train))
        for protocol in map(known_protocol, config.evaluation):
            if isinstance(protocol, OwnAttack):
                protocol.load()  # now, and not when all is trained
        self.batches = Batches(
            splits.train,
            config.batch_size,
            seed=config.seed,
            device=self.device,
            augment=config.data.augment,
            padding=config.data.padding,
            intervention=config.intervention,
        )
        self.test = apply_intervention(splits.test, config.intervention, config.seed, self.device, train=False)
        self.probe = probe_of(config, splits.holdout or splits.train, self.device)
        self.train_probe = probe_of(config, splits.train, self.device)
        # In a circle with it all data of the trainer would stay in memory until garbage is collected, which is rarely.
        self.monitor = ReplayMonitor(weakref.proxy(self), config.monitor, splits.train.classes)
        self.treatment = Treatment(config, splits.train, self.device)

        self.module = network(config, splits.train.shape, splits.train.classes)
        if config.initial is not None:
            load_initial(self.module, config.initial)
        self.module.to(self.device)
        self.memory_format = settle_memory_format(self.module, config, self.batches)
        self.updates = Updates(config.optimizer, self.module, config.weight_decay, config.decay_norm_and_bias)
        self.memory = first_memory(config, config.method, self.module, splits.train)
        self.model = as_trained(self.module, config.precision)
        self.iteration = 0
        self.total = config.epochs * len(self.batches)
        if max(config.keep, default=0) > self.total:
            raise ConfigError(f"keep: iteration {max(config.keep)} is beyond the last one, {self.total}")

    # --------------------------------------------------------------------------------------------------- one iteration

    def step(self, *, trace: bool = True) -> tuple[StepRecord, Tensor]:
        """Train on the next batch.

        Args:
            trace: whether the record is to hold the update's input gradient.

        Returns:
            The step's record, and the labels (B,) it saw.
        """
        batch = self.prepared(self.iteration, trace=trace)
        self.model.train()
        self._updated = False
        record = self.method.step(self.model, batch, self._update)
        if not isinstance(record, StepRecord):
            raise ConfigError(f"method {self.method.name}: step returned a {type(record).__name__}, not a StepRecord")
        if not self._updated:
            raise ConfigError(f"method {self.method.name}: step did not call update(loss), so that nothing is trained")
        self.iteration += 1
        return record, batch.labels

    @property
    def method(self) -> Method:
        """The method that trains now."""
        return self.treatment.method

    def prepared(self, iteration: int, *, trace: bool) -> Batch:
        """The batch that comes after so many updates, with this process's share of the images, and all randomness.

        Args:
            iteration: updates done.
            trace: as in `step`.

        Returns:
            The batch; random layers are seeded for it.
        """
        sign_of_life()
        config, done = self.config, iteration
        images, labels, indices, augmentation = self.batches.batch(done)
        rank, world = self.rank, self.world
        images = images[rank::world].contiguous(memory_format=self.memory_format)
        labels, indices = labels[rank::world], indices[rank::world]
        seed_layers(derive(config.seed, "layers", done * world + rank))
        return Batch(
            images,
            labels,
            config.threat.scaled(config.schedule.radius((done + 1) / len(self.batches))),
            generator(config.seed, "attack", done * world + rank, images.device),
            trace,
            done / self.total,
            indices,
            memory=self.memory,
            iteration=done,
            epoch_length=len(self.batches),
            augmentation=augmentation,
            classes=self.batches.data.classes,
        )

    def _update(self, loss: Tensor) -> None:
        self._updated = True
        config, schedule = self.config, self.config.schedule
        progress = (self.iteration + 1) / (self.total + 1)  # neither the first nor the last rate is 0
        momentum = schedule.momentum(progress, config.optimizer.momentum)
        self.updates.step(loss, config.learning_rate * schedule.rate(progress), momentum)

    # ----------------------------------------------------------------------------------------- going back (Replayable)

    def snapshot(self) -> Snapshot:
        """Copies of the network's state dict, the optimiser's state and the method's memory, on the device."""
        return Snapshot(
            self.iteration, copied_tensors(self.module.state_dict()), self.updates.state(), copied_tensors(self.memory)
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Put a snapshot back."""
        self.module.load_state_dict(snapshot.model)
        self.updates.load_state(snapshot.optimizer)
        self.memory = copied_tensors(snapshot.memory, self.device)
        self.iteration = snapshot.iteration

    def advance(self, iterations: int) -> None:
        """Repeat iterations without recording them."""
        for _ in range(iterations):
            self.step(trace=False)

    def measure(self, enough: Enough | None = None) -> ProbeResult:
        """Probe the model on the held-out points, in the first process; the others go by its result."""
        return taken_by_rank0(lambda: self.probe.measure(self.module, enough))
