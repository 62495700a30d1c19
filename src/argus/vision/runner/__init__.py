"""The main job: one source through one model and one pipeline, every stage beside the others."""
