"""The REST API: one router per subject, over a `argus.control.plane.Plane`."""
