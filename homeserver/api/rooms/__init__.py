"""Rooms: who is in them, what they are."""
