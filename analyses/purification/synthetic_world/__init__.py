"""The world of the theory: data with a known dictionary, the two-layer network, its attacks, training and rivals."""
