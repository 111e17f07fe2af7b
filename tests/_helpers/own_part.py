"""A file of a user's with a method of their own, and a way to forget it as another process would."""

import sys

from cotoolkit.methods import METHODS

CODE = """
from pydantic.dataclasses import dataclass
from cotoolkit.core.registry import STRICT
from cotoolkit.methods.base import METHODS
from cotoolkit.methods.fgsm import FGSM

@METHODS.register("half_step", "halved")
@dataclass(frozen=True, config=STRICT)
class HalfStep(FGSM):
    share: float = 0.5
"""

MODULE = "parts_of_mine"


def forget():
    """Leave nothing of the module in this process."""
    sys.modules.pop(MODULE, None)
    for name in [name for name in METHODS.names() if METHODS[name].__module__ == MODULE]:
        for alias in METHODS.aliases(name):
            del METHODS._aliases[alias]
        del METHODS._classes[name]
