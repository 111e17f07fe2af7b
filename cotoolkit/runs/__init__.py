"""Runs on disk: their folders, tables and checkpoints."""
