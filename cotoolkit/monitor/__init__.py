"""Watching a training run: probes, the criterion of a breakpoint, the early warning, and dating to the iteration."""
