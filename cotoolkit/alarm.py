"""The alarm: what the free signals of the training steps say, before any probe is spent."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import torch


class Alarm:
    """Streams the free signals of every step; says when one gives cause for a probe at once, and which.

    SORA's rule: the mean of PertAlign over the last quarter of a sliding window is lower by `fall` than over its first.

    Args:
        fall: of PertAlign (SORA's code: 0.5).
        window: values of the window (ours; the length was not found).
    """

    def __init__(self, fall: float = 0.5, window: int = 64) -> None:
        self.fall, self.window = fall, window
        self.values: deque[float] = deque(maxlen=window)

    def update(self, signals: Mapping[str, float]) -> str | None:
        """Take in one more step; the name of the signal that raises the alarm, or None. nan values are left out.

        After an alarm the signal's history starts anew, so that one fall costs one probe.
        """
        value = signals.get("pert_align", torch.nan)
        if value == value:  # noqa: PLR0124 - nan: no sample of the batch had a gradient
            self.values.append(value)
        if len(self.values) < self.window:
            return None
        values, quarter = list(self.values), self.window // 4
        if (sum(values[:quarter]) - sum(values[-quarter:])) / quarter < self.fall:
            return None
        self.values.clear()
        return "pert_align"

    def state(self) -> dict[str, Any]:
        """What a resumed run needs, as JSON data."""
        return {"pert_align": list(self.values)}

    def load_state(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.values = deque(state["pert_align"], maxlen=self.window)
