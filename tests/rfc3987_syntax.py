"""In place of a package that jsonschema does without: JupyterHub and JupyterLab would build its grammar at each start.

It takes a second of processor time, and nobody here checks an IRI. Programs find this file with PYTHONPATH=tests.
"""

raise ImportError("left out by the tests")
