"""The path of one name through a run, and what would have changed its outcome."""
