"""What is asked: items, order, questions, the sealed document."""
