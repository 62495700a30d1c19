"""How the tables of results came to be what they are; run by `argus.storage.results.migrating`."""
