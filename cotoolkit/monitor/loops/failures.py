"""What goes wrong inside a monitor: it is told once, and training goes on."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator

from cotoolkit.core.user_code import describe


class Failures:
    """Catches what a monitor does beside the training. `KeyboardInterrupt` and `SystemExit` pass through.

    Args:
        tell: is given one line at the first failure of each thing.

    Attributes:
        counts: how often each thing has failed, by its name.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self.counts: Counter[str] = Counter()

    @contextlib.contextmanager
    def caught(self, what: str) -> Iterator[None]:
        """Catch what fails inside the block.

        Args:
            what: is tried there, for people.

        Yields:
            Nothing.
        """
        try:
            yield
        except Exception as failure:
            self.note(what, describe(failure))

    def note(self, what: str, reason: str) -> None:
        """Count a failure, and tell it if it is the first of its kind.

        Args:
            what: failed.
            reason: on one line.
        """
        self.counts[what] += 1
        if self.counts[what] == 1:
            self._tell(
                f"{what} failed, training goes on ({reason}); what fails again is counted in `failures`, not told"
            )
