"""A runner for tests that starts no processes."""

import pandas as pd

from analyses.core.runner import StudyRunner
from cotoolkit.core.errors import CotoolkitError
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.launchers.launcher import Outcome
from cotoolkit.training.run import run


class InProcessRunner(StudyRunner):
    """Trains and measures in this process: starting others takes longer than what they would do."""

    def train_what_can_be(self, study):
        failures = []
        for config in study.runs():
            try:
                run(config, self.root, device="cpu")
            except CotoolkitError as error:
                failures.append(Outcome(config, RunFolder.of(self.root, config), "failed", str(error)))
        table = study.write_table(self.root)
        self.callbacks.on_table(study, table)
        return table, failures

    def measure(self, wanted):
        return pd.concat([one.measure(self.root) for one in wanted], ignore_index=True)
