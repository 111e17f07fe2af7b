"""A runner for tests that starts no processes."""

import pandas as pd

from analyses.core.runner import StudyRunner
from cotoolkit.training.run import run


class InProcessRunner(StudyRunner):
    """Trains and measures in this process: starting others takes longer than what they would do."""

    def train(self, study):
        for config in study.runs():
            run(config, self.root, device="cpu")
        table = study.write_table(self.root)
        self.callbacks.on_table(study, table)
        return table

    def measure(self, wanted):
        return pd.concat([one.measure(self.root) for one in wanted], ignore_index=True)
