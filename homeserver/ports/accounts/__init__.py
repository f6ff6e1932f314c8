"""Accounts, sessions and devices."""
