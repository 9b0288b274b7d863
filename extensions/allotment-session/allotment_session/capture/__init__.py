"""What a session can say about itself: what it used, and which packages were added. Reads files, runs nothing."""
