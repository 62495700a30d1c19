"""The whole system as processes: what is started, killed, damaged and asked is what users have."""
