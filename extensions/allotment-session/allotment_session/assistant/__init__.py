"""What an assistant in a notebook or an editor is given: it can ask, not decide."""
