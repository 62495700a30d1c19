"""Scripts run by the Python of the peers, never imported."""
