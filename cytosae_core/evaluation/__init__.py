"""What the answers say: agreement, shares, controls, the export."""
