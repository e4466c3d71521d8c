"""Compact, prove and lock database exports in S3."""
