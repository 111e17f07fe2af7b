"""Progress in a notebook: a few lines that change in place. Elsewhere nothing is shown unasked."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cotoolkit.core.numbers import format_number
from cotoolkit.training.progress import Pace, left_text

if TYPE_CHECKING:
    from cotoolkit.config import RunConfig
    from cotoolkit.training.progress import Progress

BAR = 20
"""Characters of a bar in a notebook."""

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
        self._pace = Pace()
        self._last: Progress | None = None

    def __call__(self, progress: Progress) -> None:
        """Show it."""
        self._last = progress
        self._pace.saw(self._label, progress)
        self._lines.show([progress_text(self._label, progress, self._pace.of(self._label))])

    def end(self, state: str) -> None:
        """Show how the run ended; this line stays."""
        if self._last is not None:
            self._lines.show([progress_text(self._label, self._last._replace(note=state))], now=True)


def progress_text(name: str, progress: Progress, seconds_left: float | None = None) -> str:
    """A run under way on one line.

    Args:
        name: of the run, for people.
        progress: of the run.
        seconds_left: that it may still take, if that is known.

    Returns:
        The line.
    """
    full = round(BAR * progress.iteration / max(progress.total, 1))
    parts = [name, "━" * full + "─" * (BAR - full), f"{progress.iteration}/{progress.total}", probe_text(progress)]
    parts += [progress.note or left_text(seconds_left)]
    return "  ".join(part for part in parts if part)


def probe_text(progress: Progress) -> str:
    """The accuracies of the latest probe in a few characters; nothing before the first."""
    if progress.probe is None:
        return ""
    probe = progress.probe
    return f"clean {probe.clean:3.0%} FGSM {probe.fgsm:3.0%} PGD {probe.pgd:3.0%}"


def label(config: RunConfig) -> str:
    """A run in one short line."""
    return " ".join(part for part in _label_parts(config) if part)


def labels(configs: Sequence[RunConfig]) -> dict[str, str]:
    """Runs in a few words each, by identity: what all of them share is left out.

    Args:
        configs: of runs that are shown together.

    Returns:
        The words; of a single run, all of them.
    """
    parts = [_label_parts(config) for config in configs]
    told = [place for place, column in enumerate(zip(*parts, strict=True)) if len(set(column)) > 1]
    if not told:
        return {config.identity: label(config) for config in configs}
    return {
        config.identity: " ".join(some[place] for place in told if some[place])
        for config, some in zip(configs, parts, strict=True)
    }


def _label_parts(config: RunConfig) -> tuple[str, ...]:
    beta = getattr(config.intervention, "beta", None)
    return (
        config.data.name,
        config.method.name,
        f"ε {format_number(config.epsilon)}",
        "" if config.intervention is None else config.intervention.name,
        "" if beta is None else f"β {format_number(beta)}",
        f"seed {config.seed}",
    )
