"""Where processes come from: copies of one that has imported what this process has, and nothing of the user's."""

import contextlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from multiprocessing import forkserver
from pathlib import Path

import pytest

from cotoolkit.core.processes import fork_server, in_server
from cotoolkit.core.processes.fork_server import process_context
from cotoolkit.core.processes.worker import WorkerSetting, become_worker
from tests._helpers.new_process import LOCAL, told

ROOT = Path(__file__).parents[4]

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are copied on Linux alone")


NEEDED = ("torch", "cotoolkit.core.registry", "cotoolkit.training.run")


def modules():
    return {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}


def threads_of_parent():
    return len(list(Path(f"/proc/{os.getppid()}/task").iterdir()))


@LINUX
def test_a_copy_has_the_modules_of_this_process_and_the_server_no_thread():
    theirs = told(modules)
    assert {name: theirs[name] for name in NEEDED} == {name: find_spec(name).origin for name in NEEDED}
    assert told(threads_of_parent) == 1


@LINUX
def test_threads_that_start_servers_leave_the_environment_as_it_was():
    before, seen = dict(os.environ), []

    def work():
        for _ in range(40):
            process_context(LOCAL)
            seen.append(WorkerSetting.of_this_process().environment)
            with contextlib.suppress(ProcessLookupError, TypeError):  # the other thread may have found it dead
                os.kill(forkserver._forkserver._forkserver_pid, signal.SIGKILL)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert dict(os.environ) == before
    assert all(environment == before for environment in seen)


def changed_umask(monkeypatch, tmp_path):
    monkeypatch.setattr(fork_server, "_inherited", fork_server._passed_on())
    before = os.umask(0o027)
    yield
    os.umask(before)


def changed_stream(monkeypatch, tmp_path):
    kept, other = os.dup(2), os.open(tmp_path / "elsewhere", os.O_CREAT | os.O_WRONLY)
    os.dup2(other, 2)
    yield
    os.dup2(kept, 2)
    os.close(kept)
    os.close(other)


def variable_that_python_reads(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    yield


def variable_that_libraries_read(monkeypatch, tmp_path):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    yield


def path_on_the_path(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "path", [*sys.path, tmp_path])
    yield


def lost_socket(monkeypatch, tmp_path):
    monkeypatch.setattr(forkserver._forkserver, "_forkserver_address", str(tmp_path / "gone"))
    yield


def no_place_for_a_socket(monkeypatch, tmp_path):
    monkeypatch.setattr(forkserver, "_forkserver", forkserver.ForkServer())
    monkeypatch.setattr(forkserver, "ensure_running", forkserver._forkserver.ensure_running)
    monkeypatch.setattr("multiprocessing.connection.arbitrary_address", lambda family: str(tmp_path / ("x" * 120)))
    yield


def of_another_process(monkeypatch, tmp_path):
    monkeypatch.setattr(forkserver._forkserver, "_forkserver_pid", os.getppid())
    yield


@LINUX
@pytest.mark.parametrize(
    "change",
    [
        changed_umask,
        changed_stream,
        variable_that_python_reads,
        variable_that_libraries_read,
        path_on_the_path,
        lost_socket,
        no_place_for_a_socket,
        of_another_process,
    ],
)
def test_where_a_copy_would_differ_each_process_starts_anew(change, monkeypatch, tmp_path):
    assert process_context(LOCAL).get_start_method() == "forkserver"
    with contextlib.contextmanager(change)(monkeypatch, tmp_path):
        assert process_context(LOCAL).get_start_method() == "spawn"
    monkeypatch.undo()
    assert process_context(LOCAL).get_start_method() == "forkserver"


@LINUX
def test_a_variable_that_is_read_anew_each_time_makes_no_difference(monkeypatch):
    assert process_context(LOCAL).get_start_method() == "forkserver"
    monkeypatch.setenv("PYTHONBREAKPOINT", "ray.util.rpdb._driver_set_trace")
    assert process_context(LOCAL).get_start_method() == "forkserver"


def asked_for_a_context(mouth):
    mouth.send(process_context(LOCAL).get_start_method())


@LINUX
def test_a_forked_child_starts_its_own_processes():
    process_context(LOCAL)
    context = multiprocessing.get_context("fork")
    ear, mouth = context.Pipe(duplex=False)
    process = context.Process(target=asked_for_a_context, args=(mouth,), daemon=True)
    process.start()
    assert ear.poll(60)
    assert ear.recv() == "spawn"
    process.join()


def born_with(name):
    return os.environ.get(name)


@LINUX
def test_copies_that_a_user_asks_for_know_nothing_of_our_server():
    told(os.getpid)
    with ProcessPoolExecutor(1, multiprocessing.get_context("forkserver")) as pool:
        for name in ("PYTHONSAFEPATH", "PYTHONPATH", in_server.BEFORE):
            assert pool.submit(born_with, name).result() == os.environ.get(name)


OVERRIDDEN = """
import sys
sys.path.insert(0, sys.argv[1])
import typing_extensions as own
from cotoolkit.core.importing.workers import without_script
from tests._helpers.new_process import told
from tests.cotoolkit.core.processes.test_fork_server import modules

with without_script():
    print(told(modules, "cotoolkit.core.registry")["typing_extensions"] == own.__file__, own.__file__)
"""


@pytest.mark.slow
def test_modules_are_found_where_this_process_finds_them(tmp_path):
    (tmp_path / "over").mkdir()
    copied = shutil.copy(find_spec("typing_extensions").origin, tmp_path / "over")
    words = [sys.executable, "-c", OVERRIDDEN, str(tmp_path / "over")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["True", str(copied)], done.stderr


SCRIPT = """
import json
import sys
from cotoolkit.core.importing.workers import without_script
from cotoolkit.core.processes.fork_server import process_context
from tests._helpers.new_process import told
from tests.cotoolkit.core.processes.test_fork_server import modules

with without_script():
    answer = told(modules, "cotoolkit.core.registry")
    print(json.dumps([process_context("").get_start_method(), answer]))
"""


@LINUX
@pytest.mark.slow
def test_files_of_the_user_in_the_folder_are_no_modules_of_ours(tmp_path):
    for name in ("typing_extensions", "pydantic", "torch", "queue"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('this is mine')")
    away = tmp_path / "away"
    away.mkdir()
    (away / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(away / "script.py")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, done.stderr
    assert "mine" not in done.stderr
    method, theirs = json.loads(done.stdout)
    assert method == "forkserver"
    assert theirs["cotoolkit.core.registry"] == str(ROOT / "cotoolkit" / "core" / "registry.py")
    assert all("site-packages" in theirs[name] for name in ("typing_extensions", "pydantic"))


@LINUX
def test_without_the_environment_each_process_starts_anew(monkeypatch):
    class Flags:
        ignore_environment = 1

    monkeypatch.setattr(sys, "flags", Flags)
    assert process_context(__name__).get_start_method() == "spawn"


def test_other_systems_start_each_anew(monkeypatch):
    for system in ("darwin", "win32"):
        monkeypatch.setattr(sys, "platform", system)
        assert process_context(__name__).get_start_method() == "spawn"


def waits(setting, mouth):
    become_worker(setting)
    mouth.send(os.getpid())
    signal.pause()


@LINUX
def test_a_copy_ends_with_its_server_and_the_next_one_has_another():
    context = process_context(__name__)
    ear, mouth = context.Pipe(duplex=False)
    process = context.Process(target=waits, args=(WorkerSetting.of_this_process(), mouth))
    process.start()
    number = ear.recv()
    server = forkserver._forkserver._forkserver_pid
    os.kill(server, signal.SIGKILL)
    process.join(10)
    assert process.exitcode == 255
    for _ in range(100):
        if not Path(f"/proc/{number}").exists() or "zombie" in Path(f"/proc/{number}/status").read_text():
            break
        time.sleep(0.1)
    else:
        pytest.fail("it lives on")
    told(os.getpid)
    assert forkserver._forkserver._forkserver_pid != server
