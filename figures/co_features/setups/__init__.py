"""What the recipes of this paper share: their setups, grids of runs, and measures on both sides of a breakpoint."""
