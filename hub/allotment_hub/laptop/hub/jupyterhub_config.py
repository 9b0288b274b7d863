"""The configuration of JupyterHub on a laptop. JupyterHub reads it in the state folder, beside laptop.json."""

import functools
import os
import sys
from importlib.resources import files
from pathlib import Path

from allotment_hub.hub_rights import CUSTOM_SCOPES, HEADERS, HUB_HANDLERS, SERVICE, roles, service_settings
from allotment_hub.identity.configuring import HANDLERS as IDENTITY_HANDLERS
from allotment_hub.identity.configuring import configure_identity
from allotment_hub.laptop.deployment import Deployment
from allotment_hub.laptop.folder import StateFolder
from allotment_hub.laptop.hub.accounts import ACCOUNTS
from allotment_hub.laptop.hub.authenticator import LocalAccounts
from allotment_hub.laptop.hub.proxy import SESSIONS_DOMAIN
from allotment_hub.laptop.hub.sign_in import SignIn, read_options
from allotment_hub.origins import origin_settings
from allotment_hub.sign_ins import HANDLERS, record_sign_in

c = get_config()  # type: ignore[name-defined]  # defined by JupyterHub

folder = StateFolder(Path.cwd())
deployment = Deployment.read(folder)

# The proxy is for browsers, the hub is behind it; both listen on this machine only. With a shared origin there is no
# public_url: sign-in uses paths only, and works in sessions that outlive a change of the port.
c.JupyterHub.bind_url = deployment.public_url
c.JupyterHub.hub_bind_url = deployment.hub_url.removesuffix(f"{deployment.base_url}hub/")
if not deployment.shared_origin:
    c.JupyterHub.update(origin_settings(deployment.public_url, SESSIONS_DOMAIN))
c.JupyterHub.proxy_class = "jupyterhub_traefik_proxy.fileprovider.TraefikFileProviderProxy"
# The supervisor starts the proxy. A proxy that the hub starts would outlive a killed hub and keep the port.
c.TraefikFileProviderProxy.should_start = False
c.TraefikFileProviderProxy.dynamic_config_file = str(folder.proxy_routes)
c.TraefikFileProviderProxy.traefik_api_url = deployment.proxy_api_url
c.TraefikFileProviderProxy.traefik_api_username = "hub"
c.TraefikFileProviderProxy.traefik_api_password = deployment.proxy_password

c.JupyterHub.tornado_settings = {"headers": HEADERS}

# State that outlives a restart.
c.JupyterHub.db_url = folder.hub_database
c.JupyterHub.upgrade_db = True
c.JupyterHub.cookie_secret = bytes.fromhex(deployment.cookie_secret)

# People.
sign_in = SignIn.read(folder)
if sign_in.file:
    # The hub's database may have these users, one of them an administrator. Nobody gets them by having such a name.
    c.Authenticator.blocked_users = set(ACCOUNTS)
    for section, options in read_options(sign_in.file).items():
        if "blocked_users" in options:
            options["blocked_users"] = {*options["blocked_users"], *ACCOUNTS}
        c[section].update(options)
    c.OAuthenticator.oauth_callback_url = deployment.callback_url
    c.CryptKeeper.keys = [bytes.fromhex(sign_in.crypt_key)]
else:
    c.JupyterHub.authenticator_class = LocalAccounts
    c.LocalAccounts.passwords = deployment.passwords
    c.LocalAccounts.allowed_users = set(deployment.passwords)
for remark in configure_identity(c):
    print(remark, file=sys.stderr)  # noqa: T201
c.Authenticator.post_auth_hook = functools.partial(record_sign_in, None)
c.JupyterHub.extra_handlers = [*HUB_HANDLERS, *HANDLERS, *IDENTITY_HANDLERS]

# The service beside the hub; the supervisor starts it.
c.JupyterHub.custom_scopes = CUSTOM_SCOPES
c.JupyterHub.load_roles = roles()
c.JupyterHub.services = [
    {
        "name": SERVICE,
        "api_token": deployment.service_token,
        **service_settings(deployment.service_address, deployment.base_url),
    }
]

# Sessions.
c.JupyterHub.spawner_class = deployment.spawner_class
c.JupyterHub.allow_named_servers = True
c.JupyterHub.named_server_limit_per_user = 5
# JupyterLab starts as root only with this option. LocalProfileSpawner adds it itself; another class that laptop.json
# names does not.
if os.geteuid() == 0:
    c.Spawner.args = ["--allow-root"]
c.LocalProfileSpawner.repository = str(folder.mirror if sign_in.mirrored else deployment.repository_path(folder))
c.LocalProfileSpawner.allowed_signers = str(folder.allowed_signers)
c.LocalProfileSpawner.events_url = folder.events
c.LocalProfileSpawner.poll_seconds = 0.5
c.LocalProfileSpawner.cache = str(folder.cache("hub"))
c.LocalProfileSpawner.service_url = deployment.service_url
c.LocalProfileSpawner.homes = str(folder.homes)
c.LocalProfileSpawner.volumes = str(folder.volumes)

# The templates are in the spawner's package. It is named by a string, because allotment_hub does not import it.
c.JupyterHub.template_vars = {"shared_origin": deployment.shared_origin}
c.JupyterHub.template_paths = [str(files("allotment_spawner") / "templates")]
