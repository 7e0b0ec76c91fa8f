"""What may be used as a name."""

NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
"""What profiles, meta profiles and sleeves may be called: safe as a file name on every system."""
