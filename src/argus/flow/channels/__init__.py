"""How messages get from one node to another: one module per transport, all of them of two kinds.

`protocol` says what the two kinds promise; `argus.flow.transport` chooses which transport a link gets.
"""
