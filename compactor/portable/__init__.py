"""A fingerprint that other databases can recompute in SQL, as docs/fingerprint.md specifies it."""
