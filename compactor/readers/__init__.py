"""Readers: what exports look like. The table of the systems that are known."""

from __future__ import annotations

from .dms import DMS
from .dynamodb import DYNAMODB
from .interface import Reader
from .plain import FILES
from .rds import RDS

READERS: tuple[Reader, ...] = (RDS, DYNAMODB, FILES, DMS)
