"""Profiles: frozen models, one per section, and the loader that knows where each value came from."""
