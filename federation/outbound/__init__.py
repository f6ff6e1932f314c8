"""Sending to other servers: transactions, and how far each server has been sent what is its own."""
