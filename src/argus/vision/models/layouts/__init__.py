"""How the outputs of a network are read: one module per family, found by shape, names and metadata."""
