"""Diagnosis of a training run from its log alone: no network, no images, only accuracies by epoch or iteration.

`reading` makes of whatever log a course of accuracies in [0, 1] per run; `breaks.py` finds what comes with a jump and
`slow.py` what does not; `outcome.py` adds up; `diagnose_log.py` puts it together, and `page.py` shows it.
"""
