"""Start JupyterHub or JupyterLab in less time: `python -m allotment_profiles.quick_start MODULE` is `python -m MODULE`.

Both load jsonschema, which builds a grammar of international addresses when it is imported: nearly half of a start. No
event of theirs has such an address, and jsonschema does without the package.
"""

import runpy
import sys

if __name__ == "__main__":
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]  # Python's own way to say that there is none
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
