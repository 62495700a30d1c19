"""What this machine can do for Argus: facts, and a tiny real try where a fact alone could deceive."""
