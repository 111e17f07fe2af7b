"""What one run takes of a machine."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

from cotoolkit.core.device import Device
from cotoolkit.core.numbers import NonNegative, Whole
from cotoolkit.core.validation import refusing_in_one_line
from cotoolkit.studies.overrides import parse_settings, single_values


@refusing_in_one_line
class Resources(BaseModel):
    """What one run takes.

    >>> Resources.parse("gpus=.25"), Resources.parse("gpus=.25").runs_per_gpu
    (Resources(cpus=1, gpus=0.25), 4)

    Attributes:
        cpus: threads it computes with. The bits of its numbers may depend on them.
        gpus: a whole number, or the part of a GPU that a small run needs; None means one where it trains on a GPU.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpus: Whole = Field(default=1, ge=1)
    gpus: NonNegative | None = None

    @field_validator("gpus")
    @classmethod
    def _whole_or_part(cls, gpus: float | None) -> float | None:
        if gpus is not None and gpus > 1 and gpus != int(gpus):
            raise ValueError("a run takes a part of one GPU, or whole ones")
        return gpus

    @classmethod
    def parse(cls, text: str) -> Resources:
        """From text such as "cpus=2,gpus=.5".

        Raises:
            ConfigError: anything else.
        """
        return cls(**single_values(parse_settings(text.split(","))))

    @property
    def runs_per_gpu(self) -> int:
        """How many runs one GPU holds."""
        return int(1 / self.gpus + 1e-9) if self.gpus and self.gpus < 1 else 1

    def gpus_on(self, device: Device, found: bool) -> float:
        """The GPUs that a run takes.

        Args:
            device: where it trains.
            found: whether there is a GPU at all.

        Returns:
            Their number, or a part of one.
        """
        if device == "cpu" or (device == "auto" and not found):
            return 0.0
        return 1.0 if self.gpus is None else self.gpus


USUAL = Resources()
"""What a run takes where nobody says."""
