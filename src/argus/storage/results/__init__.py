"""Results in a database: what all engines share, and one module per engine.

`rows` and `folding` say what lies in a database and how a new record meets what is there; they know no
engine. `sql` is the store on SQLite and PostgreSQL, `mongo` that on MongoDB.
"""
