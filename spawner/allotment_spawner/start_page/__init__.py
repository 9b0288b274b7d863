"""The start page: offers as cards, the form and the way back from it, rendered as HTML."""
