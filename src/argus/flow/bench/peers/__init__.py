"""Scripts run by the Python of the peers, which has none of ours; `loops` is what all contenders run."""
