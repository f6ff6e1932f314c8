"""What operators see of rooms, and do about them."""
