"""Diagnosis of a finished model: its weights and data made sure of, the evidence, and the verdict."""
