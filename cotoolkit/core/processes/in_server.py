"""Imported last by a fork server: the variables that it alone was started with are gone, for all that it starts.

`multiprocessing` has one such server in a process, which also starts those that a user asks it for.
"""

from __future__ import annotations

import json
import os

BEFORE = "COTOOLKIT_VARIABLES_BEFORE"
"""The variable that says what others were before."""


def restore_environment() -> None:
    """Take back the variables that `BEFORE` names; where it is not set, none."""
    before: dict[str, str | None] = json.loads(os.environ.pop(BEFORE, "{}"))
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


restore_environment()
