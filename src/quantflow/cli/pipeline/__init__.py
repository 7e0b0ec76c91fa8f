"""Commands about profiles and stages."""
