"""Two processes, each with a monitor: whatever fails in one of them alone, neither waits for the other in vain."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cotoolkit.methods import FGSM, NFGSM
from cotoolkit.monitor import step_buffer
from cotoolkit.monitor.actions import Rescue
from cotoolkit.monitor.config import MonitorConfig
from cotoolkit.signals.observation import observed_signals
from tests._helpers.loops import Clock, Scripted, abnormal_from, breaks_at, train
from tests._helpers.networks import conv_net
from tests._helpers.processes import in_two_processes
from tests._helpers.reading_signals import by_iteration
from tests._helpers.watching import monitor_of

BOTH = pytest.mark.parametrize("which", [0, 1], ids=["first", "second"])
"""The process in which something fails."""


class Noting(Scripted):
    """Notes the training losses that it goes by, and the iterations that it probes."""

    def __init__(self, *given, **options):
        super().__init__(*given, **options)
        self.seen, self.probed = [], []

    def on_signals(self, signals, samples):
        self.seen.append(signals.get("train_loss"))
        return super().on_signals(signals, samples)

    def on_probe(self, iteration, result, *, warned=False):
        self.probed.append((iteration, result.pgd))
        return super().on_probe(iteration, result, warned=warned)

    def told(self):
        """As JSON data."""
        events = [
            (event.kind, event.detected, event.earliest, event.iteration, event.sustained)
            for event in self.events
            if event.kind != "failure"
        ]
        return {"seen": self.seen, "probed": self.probed, "events": events, "failures": self.failures.counts}


def agree(first, second):
    """Whether two processes say the same, but for what failed."""
    return {**first, "failures": {}} == {**second, "failures": {}}


def loss_of(rank):
    """The processes' losses lie 10 apart."""
    return lambda i: {"loss": float(i + 10 * rank)}


def test_both_go_by_the_mean(tmp_path):
    def work(rank):
        monitor = Noting(Clock(), breaks_at(1000))
        train(monitor, 70, loss_of(rank))
        monitor.probe()
        return monitor.told()

    first, second = in_two_processes(work, tmp_path)
    assert first == second
    assert first["seen"] == [i + 5 for i in range(1, 71)]
    assert [iteration for iteration, _ in first["probed"]] == [32, 50, 70]


@BOTH
def test_signals_that_fail_in_one_process_leave_the_mean_of_the_other(which, tmp_path):
    def work(rank):
        monitor = Noting(Clock(), breaks_at(1000))

        def failing(steps, left_out=()):
            if rank == which and 20 < monitor.iteration <= 40:
                raise RuntimeError("out of memory")
            return observed_signals(steps, left_out)

        step_buffer.observed_signals = failing
        train(monitor, 70, loss_of(rank))
        monitor.probe()
        return monitor.told()

    told = in_two_processes(work, tmp_path)
    assert agree(*told)
    left = [i + 10 * (1 - which) if 16 < i <= 40 else i + 5 for i in range(1, 71)]  # read at 24, 32 and 40
    assert told[0]["seen"] == left
    assert [one["failures"] for one in (told[which], told[1 - which])] == [{"computing the free signals": 3}, {}]


@BOTH
def test_by_products_that_one_process_cannot_read_leave_those_of_the_other(which, tmp_path):
    def work(rank):
        monitor = Noting(Clock(), breaks_at(1000))
        train(monitor, 70, lambda i: {"loss": "large"} if rank == which and i in (20, 33, 34) else loss_of(rank)(i))
        monitor.probe()
        return monitor.told()

    told = in_two_processes(work, tmp_path)
    assert agree(*told)
    assert told[0]["seen"] == [i + 10 * (1 - which) if i in (20, 33, 34) else i + 5 for i in range(1, 71)]
    assert [one["failures"] for one in (told[which], told[1 - which])] == [{"reading by-products": 3}, {}]


@BOTH
def test_a_buffer_that_fills_in_one_process_is_read_when_that_of_the_other_is(which, tmp_path):
    def work(rank):
        step_buffer.MAX_BUFFERED_BYTES = 1000
        monitor, held = Noting(Clock(), breaks_at(70)), []

        def by_products(i):
            held.append(monitor._held)
            losses = torch.full((256 if rank == which and i % 5 == 0 else 30,), float(i))
            return {"losses": losses, "start_losses": losses + (1 if i >= 70 else -1)}

        train(monitor, 80, by_products)
        assert max(held) <= 1000
        return monitor.told()

    first, second = in_two_processes(work, tmp_path)
    assert first == second
    assert first["seen"][:74] == list(range(1, 75))
    assert [event[:2] for event in first["events"]] == [["warning", 74], ["breakpoint", 74]]


def test_the_early_warning_is_of_the_mean_and_probes_in_both(tmp_path):
    def work(rank):
        monitor = Noting(Clock(), breaks_at(70))
        train(monitor, 80, abnormal_from(70 if rank == 0 else 1000))  # in one process alone: half in the mean
        return monitor.told()

    first, second = in_two_processes(work, tmp_path)
    assert first == second
    assert [event[:2] for event in first["events"]] == [["warning", 74], ["breakpoint", 74]]


def test_signals_of_one_process_alone_are_none_of_all(tmp_path):
    """A checkpoint is that of one process, and all of them take it up."""

    def work(rank):
        first, second = (Noting(Clock(), breaks_at(1000)) for _ in range(2))
        train(first, 43, lambda iteration: {"loss": float(rank)})
        second.load_state_dict(first.state_dict())
        left = second._read_at
        train(second, 2, lambda iteration: {"loss": float(rank)})
        return left, by_iteration(second._signals())

    first, second = in_two_processes(work, tmp_path)
    assert first == second
    assert first[0] == 40
    assert [(iteration, signals["train_loss"]) for iteration, signals in first[1]] == [(44, 0.5), (45, 0.5)]


@BOTH
def test_probes_that_fail_in_one_process_are_those_of_the_first(which, tmp_path):
    def work(rank):
        monitor = Noting(Clock(), breaks_at(70))
        measure = monitor._measure

        def failing(*given, **named):
            if rank == which and monitor.iteration == 100:
                raise RuntimeError("out of memory")
            return measure(*given, **named)

        monitor._measure = failing
        train(monitor, 160)
        return monitor.told()

    told = in_two_processes(work, tmp_path)
    assert agree(*told)
    detected, failures = (150, [{"the probe": 1}] * 2) if which == 0 else (100, [{}, {"dating a breakpoint": 1}])
    assert [event[:2] for event in told[0]["events"]] == [["breakpoint", detected]]
    assert [one["failures"] for one in told] == failures


@BOTH
def test_weights_that_one_process_cannot_copy_keep_neither_waiting(which, tmp_path):
    """Nothing to go back to there, and nothing to date by: one process rescues, and the other one cannot."""

    def work(rank):
        on = {"breakpoint": Rescue((NFGSM(), NFGSM()))}
        monitor = Noting(Clock(), lambda now: 0.5 if now < 70 or now > 120 else 0.0, on=on)
        copy = monitor.snapshot

        def failing():
            if rank == which and monitor.iteration > 20:
                raise MemoryError
            return copy()

        monitor.snapshot = failing
        train(monitor, 300, abnormal_from(70))
        monitor.probe()
        return monitor.told()

    told = in_two_processes(work, tmp_path)
    assert agree(*told)
    rescued = [event[:2] for event in told[0]["events"]]
    if which == 1:
        assert rescued == [["warning", 74], *[["breakpoint", i] for i in (74, 100, 150)], ["recovered", 200]]
        assert [one["failures"] for one in told] == [{}, {"copying the weights": 15, "action 1 on a breakpoint": 3}]
    else:  # no date without the present weights
        assert rescued == [["warning", 74], ["warning", 82]]
        assert told[1]["failures"] == {"the probe": 3}  # both warnings, and the schedule


def test_a_loop_under_data_parallelism(tmp_path):
    """On batches of 12 and 8 images, of which one process hands over half of what the other does."""

    def work(rank):
        draws = torch.Generator().manual_seed(rank)
        model = nn.parallel.DistributedDataParallel(conv_net(norm=False))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        config = MonitorConfig(interval=5, points=20, steps=2, trace_every=1)
        monitor = monitor_of(model, config=config, optimizer=optimizer, method=FGSM(), all_signals=True)
        own, seen, follow = [], [], monitor.on_signals
        monitor.on_signals = lambda signals, samples: seen.append(signals) or follow(signals, samples)
        for iteration in range(1, 21):
            images, labels = torch.rand(12 - 4 * rank, 1, 6, 6, generator=draws), torch.arange(12 - 4 * rank) % 4
            adversarial = monitor.attack(images, labels).requires_grad_()
            losses = F.cross_entropy(model(adversarial), labels, reduction="none")
            optimizer.zero_grad()
            losses.mean().backward()
            optimizer.step()
            own.append(losses.mean().item())
            monitor.step(**({"losses": losses, "adversarial": adversarial} if iteration % (1 + rank) == 0 else {}))
        weights = [parameter.sum().item() for parameter in model.parameters()]
        shared = weights, monitor.last_probe.metrics(), seen, monitor.events, monitor.failures.counts
        return {"own": own, "shared": shared}

    first, second = in_two_processes(work, tmp_path)
    assert first["shared"] == second["shared"]
    _, _, seen, events, failures = first["shared"]
    assert (events, failures) == ([], {})
    means = [
        (one + other) / 2 if i % 2 else one
        for i, (one, other) in enumerate(zip(first["own"], second["own"], strict=True))
    ]
    assert [signals["train_loss"] for signals in seen] == pytest.approx(means, rel=1e-5)
    assert all("pert_align" in signals for signals in seen)
