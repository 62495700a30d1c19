"""From resources to what runs: the store of resources, the reconciler, runtimes, the REST API.

Loads no codec and no inference engine, so that it answers at once.
"""
