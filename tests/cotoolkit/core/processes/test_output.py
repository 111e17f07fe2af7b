import subprocess
import sys

import pytest

PROGRAM = """
import os, subprocess, sys, warnings
from pathlib import Path
from cotoolkit.core.processes.output import output_kept
print("before")
with output_kept(Path("folder/output.log"), largest=10_000):
    {inside}
print("after")
print("and after", file=sys.stderr)
"""

EVERYTHING = """print("by print")
    print("to stderr", file=sys.stderr)
    warnings.warn("a warning")
    os.write(1, b"by C\\n")
    subprocess.run([sys.executable, "-c", "print('by a process')"])"""


def start(inside, folder):
    words = [sys.executable, "-c", PROGRAM.format(inside=inside)]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_all_that_is_printed_is_kept_and_nothing_is_shown(tmp_path):
    done = start(EVERYTHING, tmp_path)
    assert (done.stdout, done.stderr) == ("before\nafter\n", "and after\n")
    kept = (tmp_path / "folder" / "output.log").read_text()
    for line in ("by print", "to stderr", "UserWarning: a warning", "by C", "by a process"):
        assert line in kept
    start("print('again')", tmp_path)
    assert (tmp_path / "folder" / "output.log").read_text() == kept + "again\n"


def test_nothing_printed_leaves_no_file(tmp_path):
    assert start("pass", tmp_path).returncode == 0
    assert not (tmp_path / "folder" / "output.log").exists()


@pytest.mark.parametrize("how", ["print('x' * 100)", "os.write(2, b'x' * 100)"])
def test_a_flood_is_cut(how, tmp_path):
    done = start(f"[{how} for _ in range(60_000)]", tmp_path)
    assert done.returncode == 0
    kept = (tmp_path / "folder" / "output.log").read_bytes()
    assert len(kept) < 10_100
    assert kept.endswith(b"... more than this is not kept\n")


def test_what_a_dying_process_said_last_is_kept(tmp_path):
    start("print('last words'); os._exit(3)", tmp_path)
    assert (tmp_path / "folder" / "output.log").read_text() == "last words\n"
