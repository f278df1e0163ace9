"""Rendered blood cells: geometry in micrometres, dyes in optical density, optics in pixels. See `images.synthetic`."""
