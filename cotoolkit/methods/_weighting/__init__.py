"""Weights of samples in the loss: where they come from."""
