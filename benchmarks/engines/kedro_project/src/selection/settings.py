"""Kedro looks for this module; every setting is its default."""
