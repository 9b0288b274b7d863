"""A bare repository on the git command line: objects, commits, signatures, remotes and mirrors."""
