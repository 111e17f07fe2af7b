"""A comparison as a page: sentences, a table that sorts, and pictures."""

from analyses.method_comparison.page.report import comparison_report

__all__ = ["comparison_report"]
