"""Processes that this one starts: how they begin, end, and tell what happened."""
