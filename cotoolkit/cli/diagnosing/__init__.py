"""What `cotoolkit diagnose` is made of: networks of runs, two of them compared, and what the terminal shows."""
