"""What clients make of the answers to their syncs, without a connection.

Each kind of sync has a model: it makes requests, takes answers in, and ends up with the rooms of
its user. Whoever drives it carries the requests to a server and fetches what lies in the gaps.
"""
