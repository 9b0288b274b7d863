"""The log of records: what people did with proposals, one signed commit each, on one branch."""
