"""Commands that keep a workspace running."""
