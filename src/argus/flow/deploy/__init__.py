"""A system as documents for a cluster: manifests and Dockerfiles, from a graph and the nodes' folders."""
