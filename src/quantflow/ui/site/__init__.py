"""One page over the workspace: a folder of files that a browser reads without a server."""
