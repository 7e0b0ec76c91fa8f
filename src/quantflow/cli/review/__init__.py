"""Commands that ask about runs."""
