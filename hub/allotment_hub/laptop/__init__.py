"""Allotment on one machine: `allotment up` starts and supervises the hub, the proxy and the service."""
