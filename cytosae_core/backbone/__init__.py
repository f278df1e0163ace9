"""The vision transformer and the tokens it makes."""
