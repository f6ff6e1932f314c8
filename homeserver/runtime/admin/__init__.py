"""`myelin admin`: looking after a running server from the command line."""
