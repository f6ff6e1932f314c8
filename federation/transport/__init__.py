"""Requests to other servers: where they are, whether they may be reached, and how."""
