"""Prices from the user's own files: where they lie, how they are laid out, how their cells are read."""
