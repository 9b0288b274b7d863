"""Limits on the content of one file. The parser, the checks and the reference page share them."""

MAXIMUM_BYTES = 64 * 1024
"""Size of one file."""
MAXIMUM_DEPTH = 24
"""Nesting of mappings and lists in one file."""
MAXIMUM_VALUES = 2000
"""Keys and list entries of one file."""
MAXIMUM_PROBLEMS = 50
"""Problems that are reported for one file."""
MAXIMUM_FALLBACKS = 30
"""Earlier versions of a file that are searched for the last valid one."""
