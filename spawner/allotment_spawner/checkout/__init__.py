"""Fetch a profile's code into a home folder, in the hub or in a pod's init container."""
