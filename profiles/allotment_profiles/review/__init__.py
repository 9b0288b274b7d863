"""What differs between two catalogs in the language of people, and whose approval it needs. Pure."""
