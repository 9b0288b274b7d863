"""Pull requests as windows onto proposals: what is recorded is carried out to them, and what people do on them in."""
