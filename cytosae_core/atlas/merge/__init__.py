"""From atlases of parts to the atlas of the whole."""
