"""The hub on a cluster, as far as the tests need it."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from z2jh import get_config as value
from z2jh import get_secret_value

c = get_config()  # type: ignore[name-defined]  # noqa: F821  JupyterHub gives it

c.JupyterHub.db_url = "sqlite:////srv/jupyterhub/jupyterhub.sqlite"
c.JupyterHub.cookie_secret = bytes.fromhex(get_secret_value("cookieSecret"))
c.JupyterHub.cleanup_servers = False
c.JupyterHub.base_url = value("hub.baseUrl")
c.JupyterHub.hub_bind_url = "http://:8081"
c.JupyterHub.hub_connect_url = "http://hub:8081"
c.JupyterHub.allow_named_servers = value("hub.allowNamedServers")
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 0}
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = "http://proxy-api:8001"
c.CryptKeeper.keys = [get_secret_value("cryptKey")]
c.Spawner.consecutive_failure_limit = value("hub.consecutiveFailureLimit")
c.Spawner.cmd = value("singleuser.cmd")

c.KubeSpawner.namespace = os.environ["POD_NAMESPACE"]
c.KubeSpawner.start_timeout = value("singleuser.startTimeout")
c.KubeSpawner.image_pull_policy = value("singleuser.image.pullPolicy")
c.KubeSpawner.uid = value("singleuser.uid")
c.KubeSpawner.fs_gid = value("singleuser.fsGid")
c.KubeSpawner.extra_labels = value("singleuser.extraLabels")
c.KubeSpawner.storage_pvc_ensure = True
c.KubeSpawner.storage_access_modes = ["ReadWriteOnce"]
c.KubeSpawner.storage_capacity = value("singleuser.storage.capacity")
home = "volume-{user_server}"
c.KubeSpawner.volumes = {home: {"name": home, "persistentVolumeClaim": {"claimName": "{pvc_name}"}}}
c.KubeSpawner.volume_mounts = {home: {"name": home, "mountPath": value("singleuser.storage.homeMountPath")}}

c.JupyterHub.services = [
    {**service, "name": name, "api_token": get_secret_value(f"hub.services.{name}.apiToken")}
    for name, service in value("hub.services").items()
]
c.JupyterHub.load_roles = []
for section, settings in value("hub.config").items():
    c[section].update(settings)

for path in sorted(Path("/usr/local/etc/jupyterhub/jupyterhub_config.d").glob("*.py")):
    exec(compile(path.read_text(), str(path), "exec"))  # noqa: S102  the image's own file
