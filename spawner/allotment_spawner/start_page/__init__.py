"""The start page: offers as cards, rendered as an HTML form, and the request that a submitted form means."""
