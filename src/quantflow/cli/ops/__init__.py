"""Commands for whoever keeps a workspace running."""
