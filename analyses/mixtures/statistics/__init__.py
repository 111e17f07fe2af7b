"""Statistics of hidden weights, and of how they change."""
