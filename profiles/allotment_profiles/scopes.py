"""The JupyterHub scopes that the hub, the service and the spawner agree on."""

SERVICE_ACCESS_SCOPE = "access:services!service=allotment"
"""Lets a user, or a session's token, call the service."""
REVIEW_SCOPE = "custom:allotment:review"
"""Lets a user approve, reject and merge proposals. A session's token never has it."""
REFRESH_SCOPE = "custom:allotment:refresh"
"""Lets the service ask the hub to fetch the repository of profiles."""
