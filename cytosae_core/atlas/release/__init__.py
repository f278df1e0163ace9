"""From the published tables to an atlas."""
