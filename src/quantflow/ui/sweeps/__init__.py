"""Sweeps on a terminal: their trials while they run, and what came of them."""
