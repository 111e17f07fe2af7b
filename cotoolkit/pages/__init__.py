"""A report: tables, pictures and one self-contained HTML page that shows them, in one folder."""

from cotoolkit.pages.write import Report, Section, write_report

__all__ = ["Report", "Section", "write_report"]
