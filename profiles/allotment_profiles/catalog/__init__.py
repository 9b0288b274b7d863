"""The catalog: the files that apply at one commit of main, and the checks that need several files. Pure."""
