"""`python -m allotment_profiles.reference` checks the generated files; `--write` writes them."""

import sys

from allotment_profiles.reference.generated import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
