"""The engine as a process: workers that watch cameras, and jobs that go through recordings.

`config` and `report`, what a worker is told and tells, load no codec: `argus.control` imports them alone.
"""
