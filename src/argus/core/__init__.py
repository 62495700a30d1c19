"""Words everybody uses: frames, detections, geometry, resources, errors. Imports nothing of ours."""
