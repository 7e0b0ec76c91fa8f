"""A run while it goes on: what is known of its tasks, and the views of it."""
