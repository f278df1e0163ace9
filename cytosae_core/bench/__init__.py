"""What is measured: speed and memory against named alternatives."""
