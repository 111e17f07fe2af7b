"""A worker process: what it has when it begins, and what it leaves when it ends."""

import atexit
import ctypes
import gzip
import io
import multiprocessing
import os
import threading
import time

from cotoolkit.core.processes.fork_server import process_context
from cotoolkit.core.processes.worker import WorkerSetting, become_worker
from tests._helpers.new_process import LOCAL, told


def test_a_process_has_the_environment_and_the_folder_that_this_one_has_now(monkeypatch, tmp_path):
    told(os.getpid)
    monkeypatch.setenv("LATER", "yes")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    environment = told(Born(WorkerSetting.of_this_process()))
    assert environment == dict(os.environ)
    assert told(os.getcwd) == str(tmp_path)


class Born:
    def __init__(self, setting):
        self.setting = setting

    def __call__(self):
        become_worker(self.setting)
        return dict(os.environ)


class Refusing(io.IOBase):
    """A user's own file, which is asked nothing that it answers."""

    @property
    def closed(self):
        raise ValueError("no")

    flush = close = fileno = closed


def leaves_things_open(setting, folder):
    become_worker(setting)
    os.dup2(os.open(folder / "printed", os.O_CREAT | os.O_WRONLY), 1)
    atexit.register((folder / "at exit").write_text, "yes")
    open_files = leaves_things_open.files = [Refusing(), (folder / "open").open("w"), gzip.open(folder / "zip", "wt")]  # noqa: SIM115
    for file in open_files[1:]:
        file.write("not flushed")
    threading.Thread(target=lambda: (time.sleep(0.5), (folder / "thread").write_text("late"))).start()
    ctypes.CDLL(None).printf(b"by C")
    print("by Python")


def test_a_copy_ends_as_python_does(tmp_path):
    process = process_context(LOCAL).Process(
        target=leaves_things_open, args=(WorkerSetting.of_this_process(), tmp_path), daemon=True
    )
    process.start()
    process.join(60)
    assert process.exitcode == 0
    assert (tmp_path / "at exit").read_text() == "yes"
    assert (tmp_path / "open").read_text() == "not flushed"
    assert gzip.decompress((tmp_path / "zip").read_bytes()) == b"not flushed"
    assert (tmp_path / "thread").read_text() == "late"
    assert {"by C", "by Python"} <= set((tmp_path / "printed").read_text().replace("by C", "by C\n").splitlines())


def test_copies_draw_different_numbers():
    setting = WorkerSetting.of_this_process()
    one, other = told(Drawn(setting)), told(Drawn(setting))
    assert all(first != second for first, second in zip(one, other, strict=True))


class Drawn:
    def __init__(self, setting):
        self.setting = setting

    def __call__(self):
        import random

        import numpy as np
        import torch

        become_worker(self.setting)
        return random.random(), float(np.random.rand()), float(torch.rand(()))  # noqa: NPY002 - as a user's code may


class StartMethod(Drawn):
    """Of the processes that a worker starts."""

    def __call__(self):
        become_worker(self.setting)
        return multiprocessing.get_start_method()


def test_what_a_worker_starts_is_no_copy():
    assert told(StartMethod(WorkerSetting.of_this_process())) == "spawn"
