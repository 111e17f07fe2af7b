"""The page of costs is that of the registries."""

import subprocess
import sys
from pathlib import Path

from cotoolkit.cli.cost_matrix import PAGE

ROOT = Path(__file__).parents[3]


def test_the_page_is_current():
    # In a process of its own: other tests register parts of theirs.
    code = "from cotoolkit.cli.cost_matrix import cost_matrix; print(cost_matrix(), end='')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert (ROOT / PAGE).read_text(encoding="utf-8") == done.stdout, "run: python -m cotoolkit.cli.cost_matrix"
