"""Terms that several methods are made of: tilts, balls, divergences, worst-case weights."""
