"""What is said in rooms, and who has read it."""
