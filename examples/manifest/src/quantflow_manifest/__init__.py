"""JSON manifests of profiles, turned into a ``quantflow.toml``."""
