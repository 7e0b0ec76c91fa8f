"""The stages of a sweep: the table of its trials, what it says, and the page."""
