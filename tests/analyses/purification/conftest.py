from tests._helpers.tiny_theory import tiny_tables

__all__ = ["tiny_tables"]
