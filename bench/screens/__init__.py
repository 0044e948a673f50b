"""How quick the screens are, in a real browser."""
