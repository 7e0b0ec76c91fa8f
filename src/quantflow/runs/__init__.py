"""Run records on disk: the truth about what ran, readable with no server and no workflow engine."""
