"""The commands, one module each: words in, words out. Each imports what it needs when it is asked for."""
