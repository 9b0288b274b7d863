"""Import the values file of a zero-to-jupyterhub chart as a profiles repository.

    bytes → values (a tree with positions) → KubeSpawner settings → profiles, people → files and findings

Every key that is not imported is a finding with its path, line and reason. Findings contain no values, as a value
may be a secret.
"""
