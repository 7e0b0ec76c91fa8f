"""What a stream of returns shows: drawdowns, rolling figures, tails, calendar periods, and who contributed to it.

All take simple returns per session, shape (S,), oldest first, as fractions (0.01 = 1 %), free of NaN.
"""
