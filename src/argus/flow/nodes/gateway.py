"""The gateway under the name of a ready-made node; what it does is `argus.flow.gateway`."""

from __future__ import annotations

from argus.flow.gateway import node


class Gateway(node.Gateway):
    """See `argus.flow.gateway.node.Gateway`."""
