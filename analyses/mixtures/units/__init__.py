"""Hidden units of a network: their weights, their inputs, and where they fire."""
