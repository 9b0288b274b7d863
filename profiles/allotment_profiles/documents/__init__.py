"""Parse the bytes of a file to a model, and write them, with the position of every problem."""
