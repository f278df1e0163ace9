"""Cells and patients rendered by a program."""
