"""The stages of the pipelines: the nine of a selection, those of a meta portfolio, and the report."""
