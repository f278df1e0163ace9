"""One widget group per file."""
