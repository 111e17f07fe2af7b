"""Which pages are written from the code, and by what."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cotoolkit.cli.reference.configuration import configuration_page
from cotoolkit.cli.reference.signal_matrix import signal_matrix

PAGES: dict[Path, Callable[[], str]] = {
    Path("docs/configuration.md"): configuration_page,
    Path("docs/signal_matrix.md"): signal_matrix,
}
"""The text of each page, by its path in the repository."""
