"""What a process prints, kept in a file: somebody's model may print with each pass."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

OUTPUT = "output.log"
"""Name of the file in a run's folder."""

LARGEST_OUTPUT = 1_000_000
"""Bytes of output that are kept of one run."""

CUT = b"\n... more than this is not kept\n"

LOOK_EVERY = 0.1
"""Seconds between two looks at the size of the file."""


@contextlib.contextmanager
def output_kept(path: Path, *, alone: bool = True, largest: int = LARGEST_OUTPUT) -> Iterator[None]:
    """What is printed inside goes behind what a file holds: by Python, by C, and by processes that are started.

    Args:
        path: of the file.
        alone: no other process writes to it, so it may go if nothing was printed.
        largest: bytes that are kept.

    Yields:
        Nothing.
    """
    streams = [stream for stream in (sys.__stdout__, sys.__stderr__) if stream is not None]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        over = threading.Event()
        looking = threading.Thread(target=_cut, args=(file, largest, over), daemon=True)
        kept = [(stream, os.dup(stream.fileno())) for stream in streams]
        try:
            for stream in streams:
                _point(stream, file.fileno())
            looking.start()
            yield
        finally:
            for stream, place in kept:
                _point(stream, place)
                os.close(place)
            over.set()
            looking.join()
            if alone:
                drop_empty(path)


def forget_output(path: Path) -> None:
    """Empty a file of output, which this process may be writing to."""
    if path.exists():
        os.truncate(path, 0)


def drop_empty(path: Path) -> None:
    """Remove a file of output that holds none, once nobody writes to it."""
    if path.exists() and path.stat().st_size == 0:
        path.unlink()


def _point(stream: TextIO, place: int) -> None:
    """Let a stream write elsewhere, each line at once: a process that dies takes along what it has not written."""
    stream.flush()
    os.dup2(place, stream.fileno())
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(line_buffering=True)


def _cut(file: BinaryIO, largest: int, over: threading.Event) -> None:
    """Keep a file small."""
    last = False
    while not last:
        last = over.wait(LOOK_EVERY)
        if os.fstat(file.fileno()).st_size > largest + len(CUT):
            os.ftruncate(file.fileno(), largest)
            os.write(file.fileno(), CUT)
