"""cotoolkit: the instrument for catastrophic overfitting in single-step adversarial training.

    from cotoolkit import RunConfig, Study, run

The names below are imported when they are first used, so that `import cotoolkit` costs nothing. The packages that stand
beside this one are `cotoolkit.interventions`, `cotoolkit.analyses` and `cotoolkit.figures`, too.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from cotoolkit.core.importing.siblings import SIBLINGS

if TYPE_CHECKING:
    from cotoolkit.attacks.threat_model import ThreatModel
    from cotoolkit.config import RunConfig
    from cotoolkit.diagnosis.compare import compare_networks
    from cotoolkit.diagnosis.curve import security_curve
    from cotoolkit.diagnosis.diagnose import diagnose
    from cotoolkit.diagnosis.landscape import loss_landscape
    from cotoolkit.diagnosis.logs.diagnose_log import diagnose_log
    from cotoolkit.diagnosis.schema import Diagnosis
    from cotoolkit.monitor.monitor import BreakpointMonitor
    from cotoolkit.runs.checkpoints import load_run
    from cotoolkit.runs.folder import RunFolder
    from cotoolkit.runs.tables.run_table import metric_table, run_table
    from cotoolkit.studies.study import Study
    from cotoolkit.training.run import run
    from cotoolkit.training.trainer import Trainer

_HOMES = {
    "BreakpointMonitor": "monitor.monitor",
    "Diagnosis": "diagnosis.schema",
    "RunConfig": "config",
    "RunFolder": "runs.folder",
    "Study": "studies.study",
    "ThreatModel": "attacks.threat_model",
    "Trainer": "training.trainer",
    "compare_networks": "diagnosis.compare",
    "diagnose": "diagnosis.diagnose",
    "diagnose_log": "diagnosis.logs.diagnose_log",
    "load_run": "runs.checkpoints",
    "loss_landscape": "diagnosis.landscape",
    "metric_table": "runs.tables.run_table",
    "run": "training.run",
    "run_table": "runs.tables.run_table",
    "security_curve": "diagnosis.curve",
}

__all__ = [
    "BreakpointMonitor",
    "Diagnosis",
    "RunConfig",
    "RunFolder",
    "Study",
    "ThreatModel",
    "Trainer",
    "compare_networks",
    "diagnose",
    "diagnose_log",
    "load_run",
    "loss_landscape",
    "metric_table",
    "run",
    "run_table",
    "security_curve",
]

SIBLINGS.install(("interventions", "analyses", "figures"))
SIBLINGS.claim(["interventions"])  # the engine changes its data with them
if "IPython" in sys.modules:
    from cotoolkit.plotting.notebook import show_pictures

    show_pictures()


def __getattr__(name: str) -> Any:
    if name in SIBLINGS.names:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
