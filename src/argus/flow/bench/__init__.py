"""What flow costs, beside peers that are measured in the same run on this machine."""
