"""Small honest stand-ins for cameras, servers and networks: for our tests and for those of our users."""
