"""The sections on the out-of-sample record."""
