"""Evidence: the signed chain of manifests, and what checks it later."""
