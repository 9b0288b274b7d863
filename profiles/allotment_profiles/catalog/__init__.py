"""Everything that applies at one commit of main, and the checks that compare files with each other. Pure."""
