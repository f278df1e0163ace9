"""Where cells come from: image tables, published layouts, transforms."""
