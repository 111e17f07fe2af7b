"""Runs as tables, and tables as files."""
