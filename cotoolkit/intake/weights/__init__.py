"""Weights files: read without running what they hold, and matched to a network."""
