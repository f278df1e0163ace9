"""From cells to an atlas with its tables, in stages that are skipped when their result is there."""
