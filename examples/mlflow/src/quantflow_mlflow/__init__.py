"""A finished run in MLflow."""
