"""What a person reads: one HTML page, and plain text for the terminal.

Pure: values of `model.py` in, text out. No store, no clock, no randomness. The JSON form of the
same values is `model.to_json`.
"""

from .audit import audit_text
from .batch import jobs_text, reported_text
from .page import html, load
from .reconcile import reconcile_text
from .retention import act_text, kept_text
from .terminal import plan_text, scan_text, text

__all__ = [
    "act_text",
    "audit_text",
    "html",
    "jobs_text",
    "kept_text",
    "load",
    "plan_text",
    "reconcile_text",
    "reported_text",
    "scan_text",
    "text",
]
