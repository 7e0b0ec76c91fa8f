"""The report of a run: one page without scripts, and a brief as plain text."""
