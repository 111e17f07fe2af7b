"""Diagnosis of a finished model: its weights and data made sure of, the evidence, and the verdict.

`diagnose.py` takes what `cotoolkit.intake` checked, the model and the points, through the folders `measuring` and
`judging`; `page` shows what came of it. What they hand on and write down is in `measurements.py` and `schema.py`.
"""
