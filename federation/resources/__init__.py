"""What other servers read here: events and states, queries, directories, spaces and media."""
