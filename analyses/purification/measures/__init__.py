"""What is measured of trained networks: their units, how these moved, robustness, and what edits change."""
