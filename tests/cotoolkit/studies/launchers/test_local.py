"""Processes of this machine: GPUs in turn, threads, how many at a time, and what kills them."""

import os
import signal
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import forkserver
from multiprocessing.connection import wait

import pytest
import torch

from cotoolkit.core.device import keep_to_gpu, visible_gpus
from cotoolkit.core.processes.worker import WorkerSetting
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.launchers import local
from cotoolkit.studies.launchers.local import LocalProcesses, WorkerProcesses, default_jobs
from cotoolkit.studies.launchers.resources import Resources
from cotoolkit.studies.launchers.tasks import Ended, Task
from cotoolkit.studies.study import Study
from tests._helpers.launched import HERE, TINY, tiny_study
from tests._helpers.small import small


@pytest.mark.parametrize(
    ("count", "variable", "device", "expected"),
    [
        (0, None, "auto", []),
        (2, None, "cpu", []),
        (2, None, "auto", ["0", "1"]),
        (2, "5,7", "cuda", ["5", "7"]),
        (2, "5, 7 ", "cuda", ["5", "7"]),
        (1, "GPU-ab,", "cuda", ["GPU-ab"]),
        (0, "", "auto", []),
    ],
)
def test_gpus_are_named_as_the_variable_names_them(count, variable, device, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if variable is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)
    assert visible_gpus(device) == expected


def test_workers_get_gpus_in_turn(monkeypatch):
    seen = []
    for worker in range(8):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
        keep_to_gpu(["2", "3"], worker)
        seen.append(os.environ["CUDA_VISIBLE_DEVICES"])
    assert seen == ["2", "3"] * 4
    keep_to_gpu([], 5)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3"


def prepared(started, gpus, found):
    local._prepare(local.process_context(__name__).Queue(), started, gpus, WorkerSetting.of_this_process(3))
    found.put((os.environ.get("CUDA_VISIBLE_DEVICES"), torch.get_num_threads()))


def test_processes_of_a_pool_count_themselves():
    context = local.process_context(__name__)
    started, found = context.Value("i", 0), context.Queue()
    processes = [context.Process(target=prepared, args=(started, ["4", "5"], found), daemon=True) for _ in range(2)]
    for process in processes:
        process.start()
    seen = sorted(found.get(timeout=120) for _ in processes)
    assert seen == [("4", 3), ("5", 3)]


@pytest.mark.parametrize(
    ("gpus", "device", "resources", "expected"),
    [
        (0, "cpu", {}, 6),
        (0, "auto", {"cpus": 4}, 1),
        (0, "cpu", {"cpus": 9}, 1),
        (2, "auto", {}, 2),
        (2, "cuda", {"gpus": 0.25}, 8),
        (1, "cuda", {"gpus": 1 / 3}, 3),
        (4, "cuda", {"gpus": 2}, 2),
        (2, "cpu", {}, 6),
        (0, "cuda", {}, 1),
    ],
)
def test_runs_at_a_time_by_default(gpus, device, resources, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(local, "cores", lambda: 6)
    assert default_jobs(device, Resources(**resources)) == expected


@pytest.mark.slow
def test_a_run_sees_its_gpu_and_computes_with_its_threads(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "6,7")
    study = Study(name="told", base={**TINY, "model": f"{HERE}:telling"})
    table = study.run(tmp_path, launcher=LocalProcesses(1, Resources(cpus=2)))
    assert table["state"].tolist() == ["failed"]
    (folder,) = study.folders(tmp_path)
    assert "threads 2 gpu 6" in folder.reason
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "6,7"


def test_each_run_has_one_end_and_those_that_had_not_begun_go_on_together(monkeypatch, tmp_path):
    tasks = [Task.of(small(seed=seed), tmp_path, "cpu") for seed in range(4)]
    pools = []

    def pool(self, given, jobs):
        pools.append(len(given))
        if len(given) == 4:
            RunFolder(given[0].folder).set_state("running")
        if len(given) != 3:
            return [(task, "by SIGKILL") for task in given]
        yield from (Ended(task.identity, "done", "") for task in given)
        return []

    monkeypatch.setattr(LocalProcesses, "_pool", pool)
    ends = list(LocalProcesses(2).train(tasks))
    assert pools == [4, 1, 3]
    assert sorted(end.identity for end in ends) == sorted(task.identity for task in tasks)
    assert [end.state for end in ends] == ["failed", "done", "done", "done"]


def interrupted(processes):
    with WorkerProcesses(1) as pool:
        under_way, *_ = [pool.submit(time.sleep, 600) for _ in range(3)]
        while not under_way.running():
            time.sleep(0.05)
        processes.extend(pool._processes.values())
        raise KeyboardInterrupt


@pytest.mark.slow
def test_ctrl_c_waits_neither_for_what_is_under_way_nor_for_the_rest():
    began, processes = time.monotonic(), []
    with pytest.raises(KeyboardInterrupt):
        interrupted(processes)
    assert len(processes) == 1
    assert wait([processes[0].sentinel], 60)
    assert time.monotonic() - began < 300


@pytest.mark.slow
def test_a_study_survives_its_fork_server(tmp_path):
    killed = []

    def kill(update):
        if not killed:
            killed.append(forkserver._forkserver._forkserver_pid)
            os.kill(killed[0], signal.SIGKILL)

    table = tiny_study(model=f"{HERE}:slow").run(tmp_path, launcher=LocalProcesses(2), on_update=kill)
    assert table["state"].tolist() == ["done"] * 3
    assert forkserver._forkserver._forkserver_pid not in (None, *killed)


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 9])
def test_processes_that_cannot_be_started_get_one_more_try(times, tmp_path, monkeypatch):
    refusals, submit = iter(range(times)), ProcessPoolExecutor.submit

    def refuse(self, *work):
        if next(refusals, None) is not None:
            raise EOFError("unexpected EOF")
        return submit(self, *work)

    monkeypatch.setattr(ProcessPoolExecutor, "submit", refuse)
    study = tiny_study()
    table = study.run(tmp_path, launcher=LocalProcesses(2))
    assert table["state"].tolist() == ["done" if times == 1 else "failed"] * 3
    if times == 9:
        for folder in study.folders(tmp_path):
            assert folder.reason == (
                "its process died before it began: no process could be started (EOFError: unexpected EOF)"
            )
