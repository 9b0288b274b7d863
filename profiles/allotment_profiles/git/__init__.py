"""A bare repository over the git command line: objects, commits, signatures, remotes and mirrors."""
