"""Studies: grids of runs, started side by side, resumed, and gathered into one table."""
