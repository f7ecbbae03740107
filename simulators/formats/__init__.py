"""What people have recorded with: one module per format, each with the constant FORMAT."""
