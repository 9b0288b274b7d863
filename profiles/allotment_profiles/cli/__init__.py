"""The command `allotment`: what people and pipelines ask on the command line."""
