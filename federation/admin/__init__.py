"""What operators see of other servers, and do about them."""
