"""Camera health: what is told of a camera, and when."""
