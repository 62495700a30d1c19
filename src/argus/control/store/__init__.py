"""Resources at rest: what keeps them, in memory, SQLite or PostgreSQL, behind one protocol."""
