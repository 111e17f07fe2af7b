"""The page of a diagnosis: verdict, evidence, one picture each."""

from cotoolkit.diagnosis.page.comparison import pair_report, write_comparison
from cotoolkit.diagnosis.page.report import diagnosis_report, write_diagnosis

__all__ = ["diagnosis_report", "pair_report", "write_comparison", "write_diagnosis"]
