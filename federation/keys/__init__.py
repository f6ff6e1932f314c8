"""Keys that servers sign with: our own, and those of others."""
