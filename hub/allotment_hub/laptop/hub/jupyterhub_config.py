"""JupyterHub on a laptop. JupyterHub reads this file; it runs in the state folder, beside laptop.json."""

import os
from importlib.resources import files
from pathlib import Path

from allotment_hub.laptop.deployment import Deployment
from allotment_hub.laptop.folder import StateFolder
from allotment_hub.laptop.hub.authenticator import LocalAccounts

c = get_config()  # type: ignore[name-defined]  # JupyterHub gives it

folder = StateFolder(Path.cwd())
deployment = Deployment.read(folder)
service_access = "access:services!service=allotment"
review = "custom:allotment:review"

# Addresses: the proxy for people, the hub behind it; both on this machine only. No public_url: sign-in then goes by
# paths alone, and works in sessions that outlive a change of the port and for people who type localhost.
c.JupyterHub.bind_url = deployment.public_url
c.JupyterHub.hub_bind_url = deployment.hub_url.removesuffix(f"{deployment.base_url}hub/")
c.JupyterHub.proxy_class = "jupyterhub_traefik_proxy.fileprovider.TraefikFileProviderProxy"
# The supervisor starts it: one that the hub starts would outlive a killed hub and stay on the port.
c.TraefikFileProviderProxy.should_start = False
c.TraefikFileProviderProxy.dynamic_config_file = str(folder.proxy_routes)
c.TraefikFileProviderProxy.traefik_api_url = deployment.proxy_api_url
c.TraefikFileProviderProxy.traefik_api_username = "hub"
c.TraefikFileProviderProxy.traefik_api_password = deployment.proxy_password

# What outlives a restart.
c.JupyterHub.db_url = folder.hub_database
c.JupyterHub.upgrade_db = True
c.JupyterHub.cookie_secret = bytes.fromhex(deployment.cookie_secret)

# People.
c.JupyterHub.authenticator_class = LocalAccounts
c.LocalAccounts.passwords = deployment.passwords
c.LocalAccounts.allowed_users = set(deployment.passwords)
c.LocalAccounts.manage_groups = True
c.LocalAccounts.refresh_pre_spawn = True

# Rights. What a session's token may do is what its role `server` and its user's role `user` have in common. Both repeat
# JupyterHub's own defaults; a session can ask the service but not review.
c.JupyterHub.custom_scopes = {review: {"description": "Approve, reject and merge proposals of profiles"}}
c.JupyterHub.load_roles = [
    {"name": "user", "scopes": ["self", service_access, review]},
    {"name": "server", "scopes": ["users:activity!user", "access:servers!server", service_access]},
    {"name": "allotment", "scopes": ["list:users", "read:users", "read:groups"], "services": ["allotment"]},
]

# The service beside the hub; the supervisor starts it.
c.JupyterHub.services = [
    {
        "name": "allotment",
        "url": deployment.service_address,
        "api_token": deployment.service_token,
        "oauth_client_id": "service-allotment",
        "oauth_no_confirm": True,
        "oauth_client_allowed_scopes": [review],
        "display": False,
    }
]

# Sessions.
c.JupyterHub.spawner_class = deployment.spawner_class
c.JupyterHub.allow_named_servers = True
c.JupyterHub.named_server_limit_per_user = 5
# JupyterLab does not start as root without being told to. The profiles' spawner does it by itself; another class that
# laptop.json names does not.
if os.geteuid() == 0:
    c.Spawner.args = ["--allow-root"]
c.LocalProfileSpawner.repository = str(deployment.repository_path(folder))
c.LocalProfileSpawner.allowed_signers = str(folder.allowed_signers)
c.LocalProfileSpawner.events_url = folder.events
c.LocalProfileSpawner.poll_seconds = 0.5
c.LocalProfileSpawner.cache = str(folder.cache("hub"))
c.LocalProfileSpawner.service_url = deployment.service_url
c.LocalProfileSpawner.homes = str(folder.homes)
c.LocalProfileSpawner.volumes = str(folder.volumes)

# Pages: the spawner's package holds them. It is named by a string because the hub's package does not import it.
c.JupyterHub.template_paths = [str(files("allotment_spawner") / "templates")]
