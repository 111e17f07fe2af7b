"""Where processes come from: copies of one that has imported what this process has, and nothing of the user's."""

import json
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from multiprocessing import forkserver
from pathlib import Path

import pytest

from cotoolkit.core.processes.fork_server import process_context, set_environment
from cotoolkit.core.processes.worker import WorkerSetting, become_worker

ROOT = Path(__file__).parents[4]

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are copied on Linux alone")


def answer(mouth, question):
    mouth.send(question())


LOCAL = "cotoolkit.studies.launchers.local"
"""What the first of all studies in this process has imported in the server."""


def told(question):
    """What a new process answers."""
    context = process_context(LOCAL)
    ear, mouth = context.Pipe(duplex=False)
    process = context.Process(target=answer, args=(mouth, question), daemon=True)
    process.start()
    mouth.close()
    assert ear.poll(60)
    return ear.recv()


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


def test_an_environment_is_replaced(monkeypatch):
    before = dict(os.environ)
    try:
        set_environment({"ONLY": "this"})
        assert dict(os.environ) == {"ONLY": "this"}
        assert os.popen("echo $ONLY").read() == "this\n"
    finally:
        set_environment(before)
    assert dict(os.environ) == before


SCRIPT = """
import json
import sys
from cotoolkit.core.importing.workers import without_script
from cotoolkit.core.processes.fork_server import process_context
from tests.cotoolkit.core.processes.test_fork_server import modules, told

with without_script():
    answer = told(modules)
    print(json.dumps([process_context("").get_start_method(), answer]))
"""


@LINUX
@pytest.mark.slow
def test_files_of_the_user_in_the_folder_are_no_modules_of_ours(tmp_path):
    for name in ("typing_extensions", "yaml", "torch", "queue"):
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
    assert all("site-packages" in theirs[name] for name in ("torch", "yaml"))


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
        signal.sigtimedwait([], 0.1)
    else:
        pytest.fail("it lives on")
    told(os.getpid)
    assert forkserver._forkserver._forkserver_pid != server
