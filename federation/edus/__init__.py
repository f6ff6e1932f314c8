"""EDUs of other servers: what they tell that is not an event of a room."""
