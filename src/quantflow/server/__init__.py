"""The API server that runs use: which one, and the life of the workspace's own."""
