"""Measurements of Baton beside others; bench/README.md says what each figure means."""
