"""The recent past of a network: a few copies of its weights on the CPU, the closer together the younger they are."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import whole_number
from cotoolkit.monitor.core import Breakpoint

ELEMENTWISE = frozenset(
    {"momentum_buffer", "exp_avg", "exp_avg_sq", "max_exp_avg_sq", "square_avg", "exp_inf", "acc_delta"}
)
"""What optimisers of torch keep for each entry of a parameter."""

STANDING_STILL = 16
"""Iterations over which the weights of a network in training change: a scaler of gradients may skip its first ones."""


class WeightSnapshot(NamedTuple):
    """A network at one iteration.

    Attributes:
        iteration: updates it has seen.
        weights: its parameters and buffers, on the CPU; tied ones share memory.
    """

    iteration: int
    weights: dict[str, Tensor]


def named_tensors(network: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers under every name they have: also tied ones, and buffers that no state dict holds."""
    parameters = dict(network.named_parameters(remove_duplicate=False))
    return {**parameters, **dict(network.named_buffers(remove_duplicate=False))}


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    """Copies of parameters and buffers on the CPU, one for each tensor however many names it has."""
    return _copies(named_tensors(network))


def _copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    copies = {key: tensor.detach().to("cpu", copy=True) for key, tensor in {id(t): t for t in tensors.values()}.items()}
    return {name: copies[id(tensor)] for name, tensor in tensors.items()}


def check_fit(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Refuse weights of another network, before any is written.

    Args:
        network: that is to have them.
        weights: by name.

    Raises:
        ConfigError: a parameter that has no weights, or tensors of another shape.
    """
    missing = next((name for name, _ in network.named_parameters() if name not in weights), None)
    if missing is not None:
        raise ConfigError(f"the weights are of another network: there is no {missing} among them")
    for name, tensor in named_tensors(network).items():
        if name in weights and weights[name].shape != tensor.shape:
            there, here = tuple(weights[name].shape), tuple(tensor.shape)
            raise ConfigError(f"the weights are of another network: {name} is {there} there and {here} here")


def restore_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Inverse of `weights_of`, in place, so that optimisers and wrappers keep what they hold.

    Args:
        network: is changed.
        weights: by name; buffers that have no name there stay as they are.

    Raises:
        ConfigError: they are another network's, which is left as it was.
    """
    check_fit(network, weights)
    with torch.no_grad():
        _overwrite(named_tensors(network), weights)


@contextlib.contextmanager
def weights_in_place(network: nn.Module, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """A network as it once was, inside the block; afterwards as it is now, bit for bit.

    The tensors keep their places and only their values change, so that this works for any network: tied weights,
    parametrisations, jitted and recurrent ones. (`functional_call` fails for some of these, and changes others.) The
    values are written through `.data`: autograd does not take them for changes, and a graph that the loop still holds
    is the same after the block as before.

    Args:
        network: is changed inside the block.
        weights: by name; what has no name there stays as it is.

    Yields:
        Nothing.
    """
    present = named_tensors(network)
    kept = _copies(present)
    hidden = {name: tensor.data for name, tensor in present.items()}
    try:
        _overwrite(hidden, weights)
        yield
    finally:
        _overwrite(hidden, kept)


def _overwrite(tensors: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    """Write what differs: buffers that are views of one number cannot be written to, and nothing trains them."""
    for name, tensor in tensors.items():
        if name in values:
            value = values[name].to(tensor.device)
            if not torch.equal(tensor, value):
                tensor.copy_(value)


class WeightHistory:
    """Snapshots since the last good one, or since the start, thinned so that the gaps grow with age.

    Args:
        capacity: snapshots kept at most, the good one included; at least 3.

    Attributes:
        snapshots: those kept, the oldest first.

    Raises:
        ConfigError: the capacity is no whole number from 3 on.
    """

    def __init__(self, capacity: int = 10) -> None:
        self.capacity = whole_number(capacity, "capacity", 3)
        self.snapshots: list[WeightSnapshot] = []
        self._changed: WeightSnapshot | None = None

    def restart(self, good: WeightSnapshot) -> None:
        """Forget all but a good snapshot."""
        self.snapshots = [good]

    def forget_before(self, iteration: int) -> None:
        """Forget all snapshots of earlier iterations."""
        self.snapshots = [kept for kept in self.snapshots if kept.iteration >= iteration]

    def add(self, snapshot: WeightSnapshot) -> None:
        """Keep one more. Beyond the capacity the one that leaves the least gap^2 / age goes: gaps ~ sqrt(age)."""
        self.snapshots.append(snapshot)
        if len(self.snapshots) <= self.capacity:
            return
        at = [kept.iteration for kept in self.snapshots]
        # Never the good snapshot, nor the two youngest.
        loss = {i: (at[i + 1] - at[i - 1]) ** 2 / (at[-1] - at[i - 1]) for i in range(1, len(at) - 2)}
        del self.snapshots[min(loss, key=loss.__getitem__)]

    def stands_still(self, network: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> int:
        """Iterations since which the parameters are those of the youngest snapshot, whatever was forgotten since.

        Args:
            network: whose parameters they are.
            optimizer: whose learning rate may be 0, as in a warm-up by epochs: then they rest with reason.
        """
        now = self.snapshots[-1]
        groups: list[dict[str, Any]] = getattr(optimizer, "param_groups", [])
        if groups and all(group.get("lr") is not None and float(group["lr"]) == 0 for group in groups):
            self._changed = None
        names = [name for name, _ in network.named_parameters()]
        since = self._changed
        if since is None or not all(torch.equal(now.weights[name], since.weights[name]) for name in names):
            self._changed = since = now
        return now.iteration - since.iteration

    def date(self, present: WeightSnapshot, broken: Callable[[WeightSnapshot], bool]) -> Breakpoint:
        """Date a breakpoint as closely as the snapshots kept allow.

        Args:
            present: the network now, whose robustness is lost.
            broken: says of a snapshot whether its robustness is lost; asked about each but the first one, whose is not.

        Returns:
            The dates, with the last robust snapshot before the first crossing, and the first from which on none is
            robust. The two crossings lie between the snapshots.
        """
        line = [kept for kept in self.snapshots if kept.iteration < present.iteration] + [present]
        states = [False, *map(broken, line[1:-1]), True]
        first = states.index(True)
        before, sustained = line[first - 1], line[len(states) - states[::-1].index(False)]
        last = sustained.iteration
        return Breakpoint(
            line[first].iteration, last, before.iteration + 1, last, present.iteration, {}, before, sustained
        )

    def undated(self, present: WeightSnapshot) -> Breakpoint:
        """A breakpoint since the last good snapshot, where nothing in between can be measured.

        Args:
            present: the network now, whose robustness is lost.
        """
        before, now = self.snapshots[0], present.iteration
        return Breakpoint(now, None, before.iteration + 1, now, now, {}, before, present)


class RestorePoint(NamedTuple):
    """What a rescue goes back to.

    Attributes:
        snapshot: weights that a probe found robust.
        optimizer: the state of the optimiser then, on the CPU, by the numbers of its parameters; None without one.
    """

    snapshot: WeightSnapshot
    optimizer: dict[int, Any] | None

    @classmethod
    def of(cls, snapshot: WeightSnapshot, optimizer: torch.optim.Optimizer | None) -> RestorePoint:
        """What to go back to, from the present.

        Args:
            snapshot: of the network as it is now.
            optimizer: whose state is copied, if there is one.

        Returns:
            A restore point that further training does not change.
        """
        return cls(snapshot, None if optimizer is None else _on_cpu(optimizer.state_dict()["state"]))

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> RestorePoint:
        """Inverse of `state`."""
        return cls(WeightSnapshot(state["iteration"], state["weights"]), state["optimizer"])

    def state(self) -> dict[str, Any]:
        """Numbers and tensors, for a checkpoint."""
        return {**self.snapshot._asdict(), "optimizer": self.optimizer}

    def restore(self, network: nn.Module, optimizer: torch.optim.Optimizer | None) -> None:
        """Go back; the learning rate and other settings of the optimiser stay as they are now.

        Args:
            network: gets the weights.
            optimizer: gets its state, if there is one.
        """
        if optimizer is not None and self.optimizer is not None:
            # A copy: on the CPU the optimiser would go on writing to this very state.
            optimizer.load_state_dict({**optimizer.state_dict(), "state": copy.deepcopy(self.optimizer)})
        restore_weights(network, self.snapshot.weights)

    def check_optimizer(self, optimizer: torch.optim.Optimizer) -> None:
        """Look whether the state can be an optimiser's, which is left as it is.

        Args:
            optimizer: that would get it.

        Raises:
            ConfigError: it is that of other parameters, or of none.
        """
        if self.optimizer is None:
            return
        trained = dict(enumerate(one for group in optimizer.param_groups for one in group["params"]))
        for number, held in self.optimizer.items():
            if number not in trained or any(
                held[name].shape != trained[number].shape for name in ELEMENTWISE & {*held}
            ):
                raise ConfigError(f"the optimizer's state is that of other parameters, such as its number {number}")
        self.rehearse(optimizer)

    def rehearse(self, optimizer: torch.optim.Optimizer) -> None:
        """Load the state into a copy of an optimiser, whose parameters are shared and stay as they are.

        Args:
            optimizer: stays as it is.
        """
        shared: dict[int, Any] = {id(one): one for group in optimizer.param_groups for one in group["params"]}
        trial = copy.deepcopy(optimizer, shared)
        # A copy has no attributes of subclasses, such as another optimiser inside, which `load_state_dict` may need.
        members = getattr(optimizer, "__dict__", {})
        for name in members.keys() - getattr(trial, "__dict__", {}).keys():
            own = members[name]
            setattr(trial, name, copy.deepcopy(own, shared) if isinstance(own, torch.optim.Optimizer) else own)
        trial.load_state_dict({**trial.state_dict(), "state": copy.deepcopy(self.optimizer)})


def _on_cpu(state: Any) -> Any:
    if isinstance(state, Tensor):
        return state.detach().to("cpu", copy=True)
    if isinstance(state, Mapping):
        return {key: _on_cpu(value) for key, value in state.items()}
    if isinstance(state, list | tuple):  # as L-BFGS keeps its history
        return [_on_cpu(value) for value in state]
    return state
