"""Compact, prove and lock database exports in S3.

As a library: `config.load_config`; `pipeline.run`, `pipeline.preview`, `pipeline.take_stock`; the
values of `model` and the errors of `errors`. The stages are modules of their own.
"""

from __future__ import annotations

__version__ = "0.1.0"
