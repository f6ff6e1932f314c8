"""End-to-end encryption, as far as a server has a part in it."""
