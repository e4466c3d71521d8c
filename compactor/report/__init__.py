"""What a person reads (HTML, PDF, plain text), and the CSV and JSON twins of it.

Pure: values of `model.py` in, text or bytes out. No store, no clock, no randomness; the PDF alone
needs a folder for the moment. The JSON form of the values themselves is `model.to_json`.
"""

from .audit import audit_text
from .audit_forms import audit_csv, audit_html, audit_pdf
from .batch import jobs_text, reported_text
from .catalog import catalog_text
from .document import run_report, schema
from .one_day import measured_text
from .page import html, load
from .pdf import pdf
from .reconcile import reconcile_text
from .retention import act_text, kept_text
from .sheet import checks_csv, tables_csv
from .terminal import plan_text, scan_text, text

__all__ = [
    "act_text",
    "audit_csv",
    "audit_html",
    "audit_pdf",
    "audit_text",
    "catalog_text",
    "checks_csv",
    "html",
    "jobs_text",
    "kept_text",
    "load",
    "measured_text",
    "pdf",
    "plan_text",
    "reconcile_text",
    "reported_text",
    "run_report",
    "scan_text",
    "schema",
    "tables_csv",
    "text",
]
