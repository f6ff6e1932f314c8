"""What is known of other servers."""
