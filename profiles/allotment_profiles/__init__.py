"""What a profile is, who may use it and what a change means: no Jupyter, no web, no cluster."""
