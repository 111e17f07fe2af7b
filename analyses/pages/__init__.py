"""Reports of single runs and of studies, for `cotoolkit report`."""
