"""Processes that are watched over: started, asked how they are, ended in good order, started again.

Knows nothing of vision, of nodes or of resources; `flow`, `serving` and `control` stand on it.
"""
