"""Watching a training run: probes, the criterion of a breakpoint, early warnings, and dating to the iteration."""
