"""What a remedy is: it looks at robustness on training points, or at the monitor's breakpoints, and decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import PlainSerializer, PlainValidator

from cotoolkit.core.registry import Registered, Registry
from cotoolkit.methods import Method

Decision = Literal["keep", "pass", "stop"]
"""On a measurement: keep the present weights as those to go back to, leave all as it is, or go back and stop."""


class Remedy(Registered):
    """What a run does about a loss of robustness besides its method; of itself nothing.

    A remedy of one kind measures PGD accuracy on fixed training points now and then (`due`), in eval mode, at the
    run's full radius, and decides on the course of these accuracies which weights the run ends with. One of the other
    kind acts when the monitor has dated a breakpoint: training goes back to the last probe that found the network
    robust, and on with another method (`successors`).

    Attributes:
        source: paper and code that define it.
        constants: where the default of each field comes from, by field.
        points: training points to measure on.
        steps: PGD steps, of size epsilon / 4 from one uniform start.
    """

    source: ClassVar[str]
    constants: ClassVar[Mapping[str, str]] = {}
    points: int = 0
    steps: int = 0

    def due(self, iteration: int, epoch_length: int) -> bool:
        """Whether to measure now.

        Args:
            iteration: updates done.
            epoch_length: iterations of an epoch.
        """
        return False

    def decide(self, accuracies: Sequence[float]) -> Decision:
        """What to do about the latest measurement.

        Args:
            accuracies: all so far, at least one. The first one is never "stop": there is nothing to go back to.
        """
        return "pass"

    def successors(self) -> tuple[Method, ...] | None:
        """Methods to go on with, one after each breakpoint, until none is left and training stops.

        Returns:
            The methods in order; None where breakpoints change nothing.
        """
        return None


REMEDIES = Registry[Remedy]("remedy")
"""Every remedy by name."""

RemedyField = Annotated[Remedy, PlainValidator(REMEDIES.parse), PlainSerializer(REMEDIES.dump)]
"""A remedy inside a pydantic model: given by name, by mapping or as an instance."""
