"""Where a run is written to besides its folder."""
