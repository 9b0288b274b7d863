"""What a new laptop deployment begins with: the first repository and made-up data."""
