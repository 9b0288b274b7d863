"""The images that the nodes of a cluster pull before a session needs them."""
