"""Figures of an atlas and of the analyses made from it: tables in, figures out; only `folder.py` writes files."""
