import atexit
import gc
import os
import sys

import pytest
import torch

# Several tests start processes that import the same modules: let them keep the compiled ones.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# One thread, here and in all processes that tests start: two gain nothing on networks of this size, and on a busy
# machine they wait for each other, minutes for seconds.
os.environ.setdefault("OMP_NUM_THREADS", "1")
torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))

# Python looks for no cycles while the tests are imported, and later for none among what was imported then: each search
# would go through the million objects of torch.
gc.disable()
atexit.register(gc.unfreeze)  # or libraries in C complain at the end of what is never let go


LONGEST = ("test_docs_tutorials", "test_examples", "figures/test_gallery", "benchmarks/test_gpu_slot")
"""Files that take minutes: they begin first, so that at the end no process works on while the others have no more."""


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: not item.nodeid.startswith(tuple(f"tests/{name}.py" for name in LONGEST)))


def pytest_collection_finish():
    gc.freeze()
    gc.enable()


@pytest.fixture
def cli(monkeypatch, capsys, tmp_path):
    """Runs a command in an empty folder; gives exit code, standard output and standard error."""
    from cotoolkit.cli import main

    monkeypatch.chdir(tmp_path)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["cotoolkit", *words])
        with pytest.raises(SystemExit) as exit_:
            main()
        captured = capsys.readouterr()
        return exit_.value.code or 0, captured.out, captured.err

    return call
