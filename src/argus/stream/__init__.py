"""The engine as a process: workers that watch cameras, and jobs that go through recordings.

`config` and `report`, what a worker is told and tells, load no codec: `argus.control` imports them alone.
"""

from argus.core.late_logging import keep_rich_out

keep_rich_out()
