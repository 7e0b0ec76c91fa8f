"""quantflow in a notebook: run with live progress, look at what ran, and results that show themselves."""
