"""Files named together with a stamp of their content, PATH#DIGEST.

The stamp makes the content part of a run's identity, and tells a run that is resumed when the file has changed.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from cotoolkit.core.errors import ConfigError

STAMP = re.compile(r"#[0-9a-f]{12}$")


def stamped(name: str, kind: str) -> str:
    """PATH as absolute PATH#DIGEST, with 12 hex digits of the file's sha256; a stamped name is itself.

    Args:
        name: PATH, or PATH#DIGEST.
        kind: what the file holds, for the message.

    Returns:
        The stamped name.

    Raises:
        ConfigError: no such file.
    """
    return name if STAMP.search(name) else f"{Path(name).resolve()}#{_digest(_content(Path(name), kind))}"


def split_stamp(name: str) -> tuple[Path, str]:
    """Path and digest of a stamped name."""
    path, _, digest = name.rpartition("#")
    return Path(path), digest


def read_stamped(name: str, kind: str) -> bytes:
    """The content of a file that still is the one that was stamped.

    Args:
        name: PATH#DIGEST.
        kind: what the file holds, for the message.

    Returns:
        All bytes of the file.

    Raises:
        ConfigError: the file is missing, or is not the one that was stamped.
    """
    path, digest = split_stamp(name)
    content = _content(path, kind)
    if _digest(content) != digest:
        raise ConfigError(f"{path} has changed since this run was configured; give the path without #{digest}")
    return content


def _content(path: Path, kind: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        raise ConfigError(f"no {kind} file {path}") from None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
