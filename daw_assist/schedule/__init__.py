"""What is due, and the one thread that sends it."""
