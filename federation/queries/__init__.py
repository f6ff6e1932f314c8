"""What this server asks of others on behalf of its users."""
