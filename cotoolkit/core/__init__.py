"""What every package rests on: errors, seeds, files, numbers, registries, identities."""
