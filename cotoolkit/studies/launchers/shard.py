"""A shard: the part of a study's runs that one machine of several trains, each told which one it is."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cotoolkit.config import RunConfig
from cotoolkit.core.errors import ConfigError


def shard_of(runs: Sequence[RunConfig], text: str) -> list[RunConfig]:
    """The i-th of n shards of the same size, but for one run.

    Runs are dealt out by title and identity. So the shards of one study are the same on all machines, in whatever order
    the settings were written, and each has its share of slow methods.

    Args:
        runs: of the study.
        text: "i/n", with i from 1 to n.

    Returns:
        The shard's runs; none where there are fewer runs than shards.

    Raises:
        ConfigError: not of that form.
    """
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    number, of = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= number <= of:
        raise ConfigError(f"shard {text!r}: write i/n with i from 1 to n, for example 1/8")
    return sorted(runs, key=lambda run: (run.title, run.identity))[number - 1 :: of]
