"""From the history of main to the catalog: what applies, loaded incrementally, cached on disk and followed."""
