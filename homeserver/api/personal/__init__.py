"""What belongs to one user."""
