"""Diagnosis of a finished model: its weights and data made sure of, the evidence, and the verdict.

`diagnose.py` goes through the folders in order: `inputs` (the model and the points, checked), `measuring`, `judging`;
`page` shows what came of it. What they hand on and write down is in `measurements.py` and `schema.py`.
"""
