"""One module per version of the tables; none is ever changed after a release."""
