"""What carries workloads out: processes on this machine, behind a protocol that others fit too."""
