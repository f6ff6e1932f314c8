"""What other servers tell of rooms: receiving it, and asking for what is missing."""
