"""Nodes that are ready to be used: `sys.node("argus.flow.nodes.camera", url="…")`; one module each."""
