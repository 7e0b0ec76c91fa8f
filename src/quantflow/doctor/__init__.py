"""What is wrong with this machine or workspace, and the command that fixes it."""
