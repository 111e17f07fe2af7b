"""What the recipes of this paper share: the networks they train, what is measured of them, and grids of images."""
