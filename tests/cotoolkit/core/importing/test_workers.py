"""Studies run however their script is started."""

import os
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.importing.workers import WorkerImports, without_script

ROOT = Path(__file__).parents[4]

PROCESS = """
from concurrent.futures import ProcessPoolExecutor
from cotoolkit.core.importing.workers import WorkerImports, without_script
from cotoolkit.core.processes.fork_server import process_context

def process():
    return ProcessPoolExecutor(1, process_context("cotoolkit.core.importing.workers"))

"""
"""What a study does to start a process, without what takes seconds to import."""

PLAIN = f"""
print("started")
{PROCESS}
with process() as started:
    with without_script():
        ready = started.submit(WorkerImports.of([]).load)
    print(ready.result())
"""

OWN = f"""
{PROCESS}
def answer():
    return "mine"

if GUARD:
    imports = WorkerImports.of(["__main__"])
    with process() as started:
        with without_script():
            ready = started.submit(imports.load)
        ready.result()
        print(started.submit(answer).result())
"""

GUARDED, UNGUARDED = OWN.replace("GUARD", '__name__ == "__main__"'), OWN.replace("GUARD", "True")


def start(folder, how, code):
    """Start Python with a script, in one of the ways people do; gives all that it says."""
    script = folder / "script.py"
    script.write_text(code)
    with zipfile.ZipFile(folder / "app.zip", "w") as archive:
        archive.writestr("__main__.py", code)
    words = {
        "file": [str(script)],
        "module": ["-m", "script"],
        "standard input": ["-"],
        "prompt": ["-q", "-i", "-"],
        "words": ["-c", code],
        "exec": ["-c", f"exec(open({str(script)!r}).read())"],
        "zip": [str(folder / "app.zip")],
    }[how]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *words],
        input=code if how in ("standard input", "prompt") else "",
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("how", ["file", "module", "standard input", "words", "exec", "zip"])
def test_a_script_needs_neither_a_file_nor_a_guard(how, tmp_path):
    assert start(tmp_path, how, PLAIN).splitlines() == ["started", "None"]


def test_a_prompt_needs_no_file_either(tmp_path):
    said = start(tmp_path, "prompt", PLAIN + "\n")
    assert said.replace(">>> ", "").replace("... ", "").split() == ["started", "None"]


@pytest.mark.parametrize("how", ["file", "module"])
def test_a_guarded_script_may_define_parts_of_the_run(how, tmp_path):
    assert start(tmp_path, how, GUARDED).splitlines() == ["mine"]


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("standard input", "where the processes that train cannot import it: write it to a file, and import that"),
        ("file", 'put what it runs under `if __name__ == "__main__":`'),
    ],
)
def test_parts_that_no_worker_can_import_are_refused(how, reason, tmp_path):
    said = start(tmp_path, how, UNGUARDED).splitlines()
    assert said[-1].startswith("cotoolkit.core.errors.ConfigError: ")
    assert said[-1].endswith(reason)


TINY = """
BASE = {"data": {"name": "digits", "train_size": 128, "test_size": 64}, "model": {"name": "small_cnn", "width": 4}}
BASE |= {"epochs": 1, "batch_size": 64, "monitor": {"interval": 0}, "evaluation": ["clean"]}
"""

STUDY_THEN_SHARED_BATCHES = f"""
from cotoolkit import RunConfig, Study, run
print("started")
{TINY}
table = Study(name="tiny", base=BASE).run("runs", jobs=1, device="cpu")
print(table["state"].tolist())
print(run(RunConfig.parse({{**BASE, "seed": 1}}), "runs", devices=2, device="cpu").state)
"""


@pytest.mark.slow
def test_a_study_and_processes_that_share_batches_need_no_file(tmp_path):
    assert start(tmp_path, "standard input", STUDY_THEN_SHARED_BATCHES).splitlines() == ["started", "['done']", "done"]


STUDY_OF_OWN_PARTS = f"""
from pathlib import Path
from pydantic.dataclasses import dataclass
from cotoolkit import Study
from cotoolkit.core.registry import STRICT
from cotoolkit.methods.base import METHODS
from cotoolkit.methods.standard import Standard

@METHODS.register("mine")
@dataclass(frozen=True, config=STRICT)
class Mine(Standard):
    strength: float = 0.625

def net(shape, classes):
    import torch
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, classes))

{TINY}

def study(seed):
    base = {{**BASE, "method": "mine", "model": "__main__:net", "seed": seed}}
    print(Study(name="tiny", base=base).run("runs", jobs=1, device="cpu")["state"].tolist())

if __name__ == "__main__":
    study(0)
    Path("unguarded").touch()
if Path("unguarded").exists():
    study(1)
"""


@pytest.mark.slow
def test_a_study_of_parts_in_the_script_needs_a_guard(tmp_path):
    first, *_, last = start(tmp_path, "file", STUDY_OF_OWN_PARTS).splitlines()
    assert first == "['done']"
    assert last.startswith("cotoolkit.core.errors.ConfigError: ")
    assert last.endswith('put what it runs under `if __name__ == "__main__":`')


def test_modules_of_this_project_are_not_named():
    assert WorkerImports.of(["cotoolkit.methods.fgsm", "interventions.injection", "mine"]).modules == ("mine",)


def fail_without_script():
    with without_script():
        assert not hasattr(sys.modules["__main__"], "__file__")
        raise KeyboardInterrupt


def test_the_script_comes_back_whatever_happens():
    script = sys.modules["__main__"]
    with pytest.raises(KeyboardInterrupt):
        fail_without_script()
    assert sys.modules["__main__"] is script


def test_a_worker_that_imports_starts_no_workers(monkeypatch):
    monkeypatch.setattr("cotoolkit.core.importing.workers._importing", True)
    with pytest.raises(ConfigError, match="put what it runs under"):
        WorkerImports.of([])


def test_threads_that_hide_the_script_leave_it_in_place():
    script, inside = sys.modules["__main__"], threading.Barrier(2)

    def hide(stay):
        with without_script():
            inside.wait()
            time.sleep(stay)
            assert sys.modules["__main__"] is not script

    threads = [threading.Thread(target=hide, args=(stay,)) for stay in (0.0, 0.2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sys.modules["__main__"] is script
