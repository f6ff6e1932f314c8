"""Joining, leaving, inviting and knocking over federation, on both sides of it."""
