"""Progress in a notebook: a few lines that change in place. Elsewhere nothing is shown unasked."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cotoolkit.core.numbers import format_number

if TYPE_CHECKING:
    from cotoolkit.config import RunConfig
    from cotoolkit.training.progress import Progress

SHOW_EVERY = 0.25
"""Seconds between two changes of what a notebook shows."""


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    if "ipykernel" not in sys.modules:
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")


class LiveLines:
    """Lines of plain text in a notebook's output, replaced as they change."""

    def __init__(self) -> None:
        self._display: Any = None
        self._shown = 0.0

    def show(self, lines: Sequence[str], *, now: bool = False) -> None:
        """Replace what is shown.

        Args:
            lines: to show.
            now: even if they have only just changed.
        """
        if not now and time.monotonic() - self._shown < SHOW_EVERY:
            return
        from html import escape

        from IPython.display import display

        self._shown = time.monotonic()
        text = "\n".join(lines)
        data = {"text/plain": text, "text/html": f"<pre>{escape(text)}</pre>"}
        if self._display is None:
            self._display = display(data, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._display.update(data, raw=True)


class NotebookReport:
    """Is told of the progress of one run, and shows it in a notebook."""

    def __init__(self, config: RunConfig) -> None:
        self._lines, self._label = LiveLines(), label(config)
        self._last: Progress | None = None

    def __call__(self, progress: Progress) -> None:
        """Show it."""
        self._last = progress
        self._lines.show([progress_text(self._label, progress)])

    def end(self, state: str) -> None:
        """Show how the run ended; this line stays."""
        if self._last is not None:
            self._lines.show([progress_text(self._label, self._last._replace(note=state))], now=True)


def progress_text(name: str, progress: Progress) -> str:
    """A run under way on one line.

    Args:
        name: of the run, for people.
        progress: of the run.

    Returns:
        The line.
    """
    return f"{name}  {progress.iteration}/{progress.total}  {probe_text(progress)}".rstrip()


def probe_text(progress: Progress) -> str:
    """The latest probe in a few characters."""
    if progress.probe is None:
        return progress.note
    probe = progress.probe
    now = f"clean {probe.clean:4.0%}  FGSM {probe.fgsm:4.0%}  PGD {probe.pgd:4.0%}"
    return f"{now}  {progress.note}" if progress.note else now


def label(config: RunConfig) -> str:
    """A run in one short line."""
    beta = getattr(config.intervention, "beta", None)
    parts = [config.data.name, config.method.name, f"ε {format_number(config.epsilon)}"]
    if config.intervention is not None:
        parts.append(config.intervention.name + ("" if beta is None else f" β {format_number(beta)}"))
    return " ".join([*parts, f"seed {config.seed}"])
