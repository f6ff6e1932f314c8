"""The devices of other servers' users and their keys, and those of ours as others ask for them."""
