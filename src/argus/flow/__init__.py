"""Systems of nodes and links: wired in a file, run in one thread, in many processes, or on several hosts.

`system` is where a user begins; `docs/explanation/flow.md` says how the parts go together.
"""

from argus.core.late_logging import keep_rich_out

keep_rich_out()
