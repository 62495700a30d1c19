"""Resources: one pydantic class each, the same in files, over REST and on Kubernetes."""
