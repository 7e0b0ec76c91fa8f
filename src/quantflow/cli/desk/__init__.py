"""Commands for those who trade."""
