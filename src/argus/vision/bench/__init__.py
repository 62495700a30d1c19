"""The performance table: Argus beside the limit and beside peers, measured in one run on this machine."""
