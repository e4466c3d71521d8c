"""What a person reads: one HTML page, and plain text for the terminal.

Pure: values of `model.py` in, text out. No store, no clock, no randomness. The JSON form of the
same values is `model.to_json`.
"""

from .audit import audit_text
from .page import html, load
from .reconcile import reconcile_text
from .terminal import plan_text, scan_text, text

__all__ = ["audit_text", "html", "load", "plan_text", "reconcile_text", "scan_text", "text"]
