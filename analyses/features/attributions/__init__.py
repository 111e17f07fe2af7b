"""Attributions of inputs, how faithful they are, and how far two of them agree."""
