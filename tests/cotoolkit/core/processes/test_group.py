"""Processes that work together: whatever ends one of them ends all, with one line that says which and how."""

import os
import signal
import sys
import time
from functools import partial

import pytest
import torch.distributed as dist

from cotoolkit.core.distributed import all_reduce_mean, taken_by_rank0
from cotoolkit.core.errors import ConfigError, CotoolkitError, RunFailed
from cotoolkit.core.processes.group import run_group
from cotoolkit.core.processes.patience import watched


def together(device, tell, end=None):
    """Exchange numbers; the second process ends in some way after the first exchange, and the first waits for it."""
    rank = dist.get_rank()
    tell((rank, all_reduce_mean({"rank": float(rank)}, device)["rank"]))
    if rank == 1 and end is not None:
        end()
    tell((rank, taken_by_rank0(lambda: f"from {rank}")))


def kill_me():
    os.kill(os.getpid(), signal.SIGKILL)


def raise_two_lines():
    raise ValueError("unhappy\nand more")


def raise_ours():
    raise ConfigError("method: no such thing")


def hang(device, tell):
    with watched(1.0, tell):
        if dist.get_rank() == 1:
            time.sleep(600)
        all_reduce_mean({"rank": 0.0}, device)


def test_they_talk_to_each_other_and_to_the_one_that_started_them():
    heard = []
    run_group(together, 2, "cpu", heard.append)
    assert sorted(one[0] for one in heard if one[1] == 0.5) == [0, 1]
    assert sorted(one for one in heard if one[1] != 0.5) == [(0, "from 0"), (1, "from 0")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("end", "kind", "message"),
    [
        (kill_me, RunFailed, "process 2 of 2 died by SIGKILL; out of memory?"),
        (partial(os._exit, 0), RunFailed, "process 2 of 2 died with exit code 0"),
        (partial(sys.exit, 0), RunFailed, "SystemExit: 0"),
        (raise_two_lines, RunFailed, r"ValueError: unhappy \(test_group.py, line \d+\)"),
        (raise_ours, ConfigError, "method: no such thing"),
    ],
)
def test_the_first_that_fails_ends_all_in_one_line(end, kind, message):
    start = time.monotonic()
    with pytest.raises(CotoolkitError, match=message) as caught:
        run_group(partial(together, end=end), 2, "cpu")
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    assert time.monotonic() - start < 60


@pytest.mark.slow
def test_one_that_hangs_ends_all():
    with pytest.raises(RunFailed, match="no sign of life for 1 s"):
        run_group(hang, 2, "cpu")


def test_there_are_as_many_gpus():
    with pytest.raises(ConfigError, match="devices=99: this machine has"):
        run_group(together, 99, "cuda")
