"""A fingerprint that other databases can recompute in SQL; the specification: docs/fingerprint.md."""
