"""The door of a running system: what its nodes sent last, how it does, and its params.

`node` is the node, `hub` and `topic` keep the newest of everything, `web` is the interface that is built
in. Others are found in the entry-point group `argus.gateways`; see `interface`.
"""
