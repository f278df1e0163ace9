"""From cells to an atlas with its tables, in steps that are skipped when their result is there."""
