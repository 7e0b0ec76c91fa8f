"""Estimates of covariances and means."""
