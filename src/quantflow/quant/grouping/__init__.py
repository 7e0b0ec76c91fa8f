"""From returns to groups: correlations as distances, and the tree of them."""
