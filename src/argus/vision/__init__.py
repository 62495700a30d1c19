"""The vision core: sources, models, tracking, zones and pipelines; no server, no database, no cluster."""
