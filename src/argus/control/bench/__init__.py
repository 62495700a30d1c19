"""What `argus bench control` measures: the API under load, and how soon things are back."""
