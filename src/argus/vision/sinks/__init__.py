"""Where the results of a run go: JSON lines, annotated video or pictures, snapshots, a report."""
