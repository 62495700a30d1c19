"""What is kept: results (events, alerts, detections, tracks) in a database, blobs in folders or buckets.

Apart from each other, so that no picture ever lies in a database.
"""
