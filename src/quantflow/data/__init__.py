"""Prices: panels, stores, checks, calendars, and what reads them."""
