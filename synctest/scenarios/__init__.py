"""What the harness makes happen, one module an idea."""
