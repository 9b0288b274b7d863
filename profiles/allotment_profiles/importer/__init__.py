"""From the values file of a zero-to-jupyterhub chart to a profiles repository: nobody retypes what they run today.

    bytes → values (a tree with places) → settings → profiles, people → assembling → files and findings

What can be carried over is; every other key is a finding with its path, line and reason. A value is never shown: it
may be a secret.
"""
