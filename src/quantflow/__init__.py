"""quantflow: from prices to portfolio weights in one command that survives anything."""
