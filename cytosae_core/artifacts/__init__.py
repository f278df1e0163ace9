"""Folders and files on disk: complete, hashed, published by rename; the ground floor."""
