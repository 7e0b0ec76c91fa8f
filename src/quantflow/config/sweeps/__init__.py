"""Sweeps: many variants of one profile, which settings they vary, and how they are chosen."""
