"""What is measured of finished runs: one tidy table a measurement, kept under a hash of weights and protocol."""

from __future__ import annotations

import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from typing_extensions import override

from cotoolkit.config import RunConfig
from cotoolkit.runs.folder import RunFolder


class Measurement(ABC):
    """A piece of measuring that one process does, as one tidy table. Subclasses are frozen and can be pickled."""

    @property
    @abstractmethod
    def title(self) -> str:
        """What is measured, for people; also the name of its file."""

    @property
    @abstractmethod
    def protocol(self) -> Any:
        """Everything besides the weights that decides the numbers, as JSON data; a version number among it."""

    @abstractmethod
    def runs(self, root: Path) -> Sequence[RunFolder]:
        """The runs below `root` whose last weights are looked at.

        Raises:
            RunError: one is missing.
        """

    @abstractmethod
    def measure(self, root: Path) -> pd.DataFrame:
        """The table."""

    def path(self, root: Path, folder: Path) -> Path:
        """Where its table stands; the hash names the weights and the protocol."""
        digest = hashlib.sha256(json.dumps(self.protocol, sort_keys=True).encode())
        for run in self.runs(root):
            digest.update(run.checkpoint_bytes("last"))
        name = re.sub(r"[^\w.]+", "-", self.title)
        return folder / "units" / f"{name}-{digest.hexdigest()[:12]}.parquet"


@dataclass(frozen=True)
class RunMeasurement(Measurement):
    """What a function measures of one finished run.

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
