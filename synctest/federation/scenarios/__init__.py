"""What people on several homeservers do, and what must hold on all of them."""
