"""The types of single values: names and other texts, amounts with units, dates."""
