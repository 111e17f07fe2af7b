"""A measurement that a recipe takes: a function of one finished run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from typing_extensions import override

from analyses.core.runner import Measurement
from cotoolkit.config import RunConfig
from cotoolkit.runs.folder import RunFolder


@dataclass(frozen=True)
class Look(Measurement):
    """What a function sees in a run.

    Attributes:
        config: of the run.
        function: from the run's folder to a tidy table; at the top level of a module, so that other processes find it.
        label: columns that tell the run apart in the joint table, such as method and seed.
        given: further keyword arguments of the function, as JSON data.
        version: of what the function measures; a change of its meaning raises it, so that old tables are not read.
    """

    config: RunConfig
    function: Callable[..., pd.DataFrame]
    label: Mapping[str, Any]
    given: Mapping[str, Any] = field(default_factory=dict)
    version: int = 1

    @property
    @override
    def title(self) -> str:
        named = " ".join(f"{key} {value}" for key, value in self.label.items())
        return f"{self.function.__name__} {named} {self.config.identity}"

    @property
    @override
    def protocol(self) -> Any:
        function = f"{self.function.__module__}.{self.function.__name__}"
        return [function, self.version, self.config.identity, dict(self.label), dict(self.given)]

    @override
    def runs(self, root: Path) -> Sequence[RunFolder]:
        return [RunFolder.of(root, self.config)]

    @override
    def measure(self, root: Path) -> pd.DataFrame:
        return self.function(self.runs(root)[0], **self.given).assign(**self.label)
