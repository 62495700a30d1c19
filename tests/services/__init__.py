"""Real services for tests, started here and stopped again."""
