"""Questions to finished runs: why, compare, bridge, reproduce, look-ahead, checks."""
