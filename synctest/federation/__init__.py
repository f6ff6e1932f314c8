"""Several homeservers over TLS, with links that can be cut, and a peer that does not behave."""
