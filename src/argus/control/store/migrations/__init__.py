"""How the tables of resources came to be what they are; run by `argus.control.store.migrating`."""
