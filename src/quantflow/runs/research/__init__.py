"""Trials: variants of a profile that a sweep tries, and what became of each."""
