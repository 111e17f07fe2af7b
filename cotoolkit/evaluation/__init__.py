"""Accuracy under named protocols, the probe of a training run, and intervals of shares."""
