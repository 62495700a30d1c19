"""What carries workloads out: processes on this machine, behind a protocol that others fit too."""

from argus.core.late_logging import keep_rich_out

keep_rich_out()
