"""From barcodes to patients: groups compared, patients classified."""
