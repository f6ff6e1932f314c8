"""The HTTP surface of the server-server API: who may call it, and what every part of it shares."""
