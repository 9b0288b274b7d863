"""The configuration of a hub over a stand-in for a cluster. JupyterHub reads this file beside settings.json."""

import json
from pathlib import Path

c = get_config()  # type: ignore[name-defined]  # noqa: F821  (JupyterHub gives it)

settings = json.loads(Path("settings.json").read_bytes())

c.JupyterHub.hub_bind_url = settings["bind_url"]
c.JupyterHub.proxy_class = "support.fakes.stand_in.RememberedRoutes"
c.Proxy.should_start = False
c.JupyterHub.db_url = "sqlite:///hub.sqlite"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.load_groups = {name: {"users": users} for name, users in settings["groups"].items()}
c.JupyterHub.services = [{"name": "driver", "api_token": settings["token"]}]
c.JupyterHub.load_roles = [{"name": "driver", "scopes": ["admin:users", "admin:servers"], "services": ["driver"]}]
c.JupyterHub.api_page_default_limit = c.JupyterHub.api_page_max_limit = 1000
c.JupyterHub.concurrent_spawn_limit = 0
# A start is answered when the session is there, however busy the machine is: whoever asks bounds how many begin.
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 300, "slow_stop_timeout": 300}
c.Spawner.start_timeout = c.Spawner.http_timeout = 300

# What zero-to-jupyterhub sets: a home for each user, and a pod that Pod Security `restricted` takes.
c.JupyterHub.spawner_class = settings["class"]
c.KubeSpawner.namespace = settings["namespace"]
c.KubeSpawner.port = settings["port"]
c.KubeSpawner.uid, c.KubeSpawner.gid, c.KubeSpawner.fs_gid = 1000, 100, 100
c.KubeSpawner.storage_pvc_ensure = True
c.KubeSpawner.storage_capacity = "10Gi"
c.KubeSpawner.volumes = {"home": {"name": "home", "persistentVolumeClaim": {"claimName": "{pvc_name}"}}}
c.KubeSpawner.volume_mounts = {"home": {"name": "home", "mountPath": "/home/jovyan"}}
c.KubeSpawner.update(settings["spawner"])
