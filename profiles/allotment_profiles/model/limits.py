"""Limits on what one file may hold, in one place for the reader, the checks and the reference page."""

MAXIMUM_BYTES = 64 * 1024
"""Size of one file."""
MAXIMUM_DEPTH = 24
"""Nesting of mappings and lists in one file."""
MAXIMUM_VALUES = 2000
"""Keys and list entries of one file."""
MAXIMUM_PROBLEMS = 50
"""Problems reported for one file; the rest is left out until these are corrected."""
MAXIMUM_FALLBACKS = 30
"""Earlier versions of a file that are searched for the last good one."""
MAXIMUM_SIZES = 2000
"""Different sizes that one profile may offer through its choices."""
