"""What to trade: publishing a book, its target, orders."""
