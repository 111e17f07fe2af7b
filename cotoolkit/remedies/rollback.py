"""Rolling back to before a breakpoint, and going on with a method that prevents the next one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic.dataclasses import dataclass
from typing_extensions import override

from cotoolkit.core.registry import STRICT
from cotoolkit.methods import Method, MethodField
from cotoolkit.monitor.actions import Rescue
from cotoolkit.remedies.base import REMEDIES, Remedy


@REMEDIES.register("rollback")
@dataclass(frozen=True, config=STRICT)
class Rollback(Remedy):
    """When the monitor has dated a breakpoint, go back to the last good probe, and on with another method.

    Weights, buffers and the optimiser's state are those of the last probe that found the network robust; the schedule
    goes on from there; the method begins with a memory of its own. Each further breakpoint takes the next method. When
    none is left the run ends with the last good weights.

    >>> Rollback(methods=("n_fgsm",)).successors()[0].name
    'n_fgsm'

    Args:
        methods: to go on with, in order; none ends the run at its first breakpoint.
    """

    methods: tuple[MethodField, ...] = Rescue.methods

    source: ClassVar[str] = "ours; larger and larger noise against breakpoints of N-FGSM: de Jorge et al., NeurIPS 2022"
    constants: ClassVar[Mapping[str, str]] = {"methods": "ours, as `Rescue` in a foreign loop"}

    @override
    def successors(self) -> tuple[Method, ...]:
        return self.methods
