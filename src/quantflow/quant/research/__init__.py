"""What research asks: do signals foretell returns, what is a strategy exposed to, and what are many trials worth."""
