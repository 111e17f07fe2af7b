"""The progress of a study in a notebook."""

from __future__ import annotations

from collections.abc import Sequence

from cotoolkit.config import RunConfig
from cotoolkit.studies.launchers.launcher import Outcome
from cotoolkit.studies.launchers.tasks import Update
from cotoolkit.training.live import LiveLines, labels, progress_text
from cotoolkit.training.progress import Pace, left_text


class NotebookRuns:
    """A line for all runs, one per run under way and one per failed run."""

    def __init__(self, configs: Sequence[RunConfig]) -> None:
        self._labels, self._pace = labels(configs), Pace(len(configs))
        self._ended: set[str] = set()
        self._running: dict[str, str] = {}
        self._failed: list[str] = []
        self._lines = LiveLines()

    def on_update(self, update: Update) -> None:
        """Change a run's line."""
        if update.identity not in self._ended:
            self._pace.saw(update.identity, update.progress)
            left = self._pace.of(update.identity)
            self._running[update.identity] = progress_text(self._labels[update.identity], update.progress, left)
            self._show()

    def on_outcome(self, outcome: Outcome) -> None:
        """Take an ended run's line away; a failed one says why."""
        identity = outcome.config.identity
        self._ended.add(identity)
        self._pace.ended(identity)
        self._running.pop(identity, None)
        if outcome.state == "failed":
            reason = (outcome.reason.strip() or "no reason was recorded").splitlines()[-1]
            self._failed.append(f"failed: {self._labels[identity]}: {reason}")
        self._show(now=True)

    def _show(self, *, now: bool = False) -> None:
        ended, left = f"{len(self._ended)} of {len(self._labels)} runs ended", self._pace.of_all()
        if left:
            ended += f", {left_text(left)}"
        self._lines.show([ended, *self._running.values(), *self._failed], now=now)
