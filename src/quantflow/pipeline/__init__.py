"""What a stage is, which stages a profile has, and how they are keyed and played."""
