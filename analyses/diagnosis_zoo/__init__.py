"""A zoo of networks whose verdict is known, on which the diagnosis is scored: `cotoolkit bench-diagnosis`."""
