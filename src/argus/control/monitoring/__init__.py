"""What watches Argus from outside, made of the registry of metrics: a dashboard and alert rules."""
