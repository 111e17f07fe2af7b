"""What a GPU slot carries home: its run folders as one tar in a few parts, and back.

Of finished runs everything but weights goes with it (`cat runs.tar.* | tar x`), of an unfinished one the state to
resume from as well, and the last weights that steps to come start from. What there is no room for is left out, and
said. Folders without weights do not come back: nothing goes on from them, so each slot carries what it finished itself.

Weights hardly compress as they stand: of a float its exponent alone can be guessed. So the bytes are sorted by place
first, which saves a sixth. Where the state to resume from still is too large, it goes without the monitor's last good
snapshot, half of it; the resumed run then dates a breakpoint from the state itself on, and trains as it would have.
"""

from __future__ import annotations

import io
import json
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

LIMIT = 16 * 2**20
"""Bytes of a file."""

FILES = 8
"""Files in all: the results, and the parts of the tar."""

FRAME = 2048
"""Bytes that a member of the tar may take beside its content: headers, a long name, padding."""

SMALL = (".yaml", ".json", ".jsonl", ".parquet")

PACKED = ".planes"
"""Ends the names of weights in the tar."""

STATE, LAST = "resume.safetensors", "checkpoints/last.safetensors"


def pack(runs: Path, out: Path, needed: Sequence[str]) -> list[str]:
    """Write the parts of the tar of all run folders.

    Args:
        runs: folder of run folders, in which nothing is at work.
        out: where the parts go.
        needed: runs whose last weights are needed, the most urgent first.

    Returns:
        What there was no room for, and what that means.
    """
    small = [path for path in sorted(runs.rglob("*")) if path.is_file() and path.suffix in SMALL]
    members = {str(path.relative_to(runs)): path.read_bytes() for path in small}
    room = LIMIT * (FILES - 1) - tarfile.RECORDSIZE - sum(len(content) + FRAME for content in members.values())
    left_out = []
    for name, forms in _weights(runs, needed):
        loss = "is left behind"
        for form, lost in forms:
            packed = to_planes(form)
            if len(packed) + FRAME <= room:
                members[name + PACKED], loss = packed, lost
                room -= len(packed) + FRAME
                break
        if loss:
            left_out.append(f"{name} {loss}: no room for more")
    _write_parts(members, out)
    return left_out


def unpack(out: Path, runs: Path) -> None:
    """Put back the folders that something goes on from.

    Args:
        out: where `pack` wrote.
        runs: an empty folder.

    Raises:
        SystemExit: the parts are damaged.
    """
    content = b"".join(path.read_bytes() for path in sorted(out.glob("runs.tar.*")))
    if not content:
        return
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            files = {member.name: tar.extractfile(member) for member in tar}
            members = {name: file.read() for name, file in files.items() if file is not None}
    except tarfile.TarError:
        raise SystemExit(f"{out}: runs.tar.* are damaged; without them, its unfinished run begins anew") from None
    returning = {_folder(name) for name in members if name.endswith(PACKED)}
    for name, stored in members.items():
        if _folder(name) in returning:
            path = runs / name.removesuffix(PACKED)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(from_planes(stored) if name.endswith(PACKED) else stored)
            if path.name == STATE:
                _give_back_good(path)


def to_planes(content: bytes) -> bytes:
    """Compressed, after sorting bytes by their place in groups of four, with the exponent of a float in one of them."""
    whole = len(content) // 4 * 4
    words = np.frombuffer(content[:whole], "<u4")
    planes = (words << 1 | words >> 31).view(np.uint8).reshape(-1, 4).T.tobytes()
    compression = zlib.compressobj(strategy=zlib.Z_HUFFMAN_ONLY)  # weights hold no repeated strings
    return compression.compress(planes + content[whole:]) + compression.flush()


def from_planes(packed: bytes) -> bytes:
    """Inverse of `to_planes`."""
    planes = zlib.decompress(packed)
    whole = len(planes) // 4 * 4
    words = np.ascontiguousarray(np.frombuffer(planes[:whole], np.uint8).reshape(4, -1).T).view("<u4")
    return (words >> 1 | words << 31).tobytes() + planes[whole:]


Forms = Iterator[tuple[bytes, str]]
"""Contents that would do, the best first, and what each loses."""


def _weights(runs: Path, needed: Sequence[str]) -> Iterator[tuple[str, Forms]]:
    """Names and forms of the weights to be packed, the most urgent first."""
    for path in sorted(runs.glob(f"*/{STATE}")):
        yield str(path.relative_to(runs)), _states(path)
    for name in needed:
        if (runs / name / LAST).exists():  # it may have been left out before
            yield f"{name}/{LAST}", iter([((runs / name / LAST).read_bytes(), "")])


def _states(path: Path) -> Forms:
    yield path.read_bytes(), ""
    yield _without_good(path), "goes without the monitor's good snapshot"


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Tensors and state of what the engine resumes from."""
    with safe_open(path, framework="np") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["state"])  # noqa: SIM118


def _without_good(path: Path) -> bytes:
    """The state to resume from without the good snapshot, whose place the state itself takes unless it is broken."""
    tensors, state = _read(path)
    monitor = state["monitor"]
    kept = monitor["good_iteration"] is not None and monitor["broken_at"] is None
    monitor["good_iteration"] = state["iteration"] if kept else None
    own = {name: tensor for name, tensor in tensors.items() if not name.startswith("good/")}
    return save(own, {"state": json.dumps(state)})


def _give_back_good(path: Path) -> None:
    """Make the state its own good snapshot, where it was left without one."""
    tensors, state = _read(path)
    lacks_one = not any(name.startswith("good/") for name in tensors)
    if lacks_one and state["monitor"]["good_iteration"] is not None:
        both = tensors | {f"good/{name}": tensor for name, tensor in tensors.items()}
        path.write_bytes(save(both, {"state": json.dumps(state)}))


def _write_parts(members: dict[str, bytes], out: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    content = packed.getvalue()
    for number, first in enumerate(range(0, len(content), LIMIT)):
        (out / f"runs.tar.{number}").write_bytes(content[first : first + LIMIT])


def _folder(name: str) -> str:
    return name.partition("/")[0]
