"""Allotment on one machine: `allotment up` starts and keeps the hub, the proxy and the service."""
