"""What the SAE found, on disk, for people and programs; the folder is described in `FORMAT.md`."""
