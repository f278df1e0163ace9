"""Tokens on their way: extracted, stored, shuffled, read."""
