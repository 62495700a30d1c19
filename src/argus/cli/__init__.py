"""The command line: one module per command group. Heavy imports wait for their command."""
