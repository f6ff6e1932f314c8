"""What federation asks of storage."""
