"""Readers: what exports look like. The table of the systems that are known."""

from __future__ import annotations

from .interface import Reader
from .rds import RDS

READERS: tuple[Reader, ...] = (RDS,)
