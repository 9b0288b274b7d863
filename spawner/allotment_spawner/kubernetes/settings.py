"""From a Launch to what KubeSpawner is told: a closed set of settings, and what is added to its pod. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from allotment_profiles.access.launch import Launch
from allotment_profiles.access.people import ADMINISTRATORS
from allotment_profiles.access.service_accounts import service_account
from allotment_profiles.model.problems import Refusal, RefusedError
from allotment_spawner.kubernetes.bindings import binding_patch
from allotment_spawner.kubernetes.names import label
from allotment_spawner.kubernetes.pod_patch import DATA, PodContext, PodPatch

LABEL = "allotment"
"""The prefix of our labels and annotations."""
TEAMS = "/teams"
"""The folder of a session where its team's folder lies."""
_DEFAULT_GPU = "nvidia.com/gpu"
_TEAM_VOLUME = "team-folder"

# Links what is mounted into the home folder, where people look, and never over what lies there. Constant: what is
# linked comes as arguments, `target link`, and nothing of it is part of the script.
_LINK = """\
cd "$HOME" 2>/dev/null || exit 0
for entry in data team-*; do
  if [ -L "$entry" ] && [ ! -e "$entry" ]; then
    case "$(readlink "$entry")" in /data|/teams/*) rm -f "$entry" ;; esac
  fi
done
while [ $# -ge 2 ]; do
  [ -e "$2" ] || [ -L "$2" ] || ln -s "$1" "$2"
  shift 2
done
exit 0
"""


@dataclass(frozen=True, slots=True)
class PodDefaults:
    """What the deployment says about every session."""

    home: str = "/home/jovyan"
    """Where the home folder is mounted."""
    home_mount: Mapping[str, Any] = field(default_factory=dict)
    """How the session has its home folder mounted, as in a pod; empty: it ends with the session."""
    team_claim: str = ""
    """The claim with a folder for each team; empty: there are none."""
    preparing_image: str = ""
    """The image that fetches a profile's code; empty: there is none."""
    own_claims: frozenset[str] = frozenset()
    """The claims that every session's pod has from the deployment: a shared one holds other people's homes."""


@dataclass(frozen=True, slots=True)
class PodSettings:
    """What one Launch means on a cluster."""

    traits: Mapping[str, Any]
    """KubeSpawner's settings; those that are merged with what the deployment says are in `merged`."""
    merged: Mapping[str, Any]
    """Settings that are added to the deployment's own: dictionaries and lists."""
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    parts: PodPatch
    account: str
    """The service account."""
    init_container: Mapping[str, Any] | None
    links: tuple[str, ...]
    """Target, link, target, link …: what is linked into the home folder."""

    home: str
    """Where the home folder is."""

    def link_hook(self, mounted: Iterable[str]) -> Mapping[str, Any] | None:
        """Give what the session's container does when it starts; None where nothing is linked: a hook is waited for.

        `mounted` is where the deployment mounts volumes: a home in one of them may have links of earlier sessions.
        """
        home = PurePosixPath(self.home)
        if not self.links and not any(home.is_relative_to(path) for path in mounted):
            return None
        return {"exec": {"command": ["sh", "-c", _LINK, "sh", *self.links]}}


TRAITS = (
    "image", "cpu_guarantee", "cpu_limit", "mem_guarantee", "mem_limit", "service_account",
    "automount_service_account_token", "storage_capacity", "extra_resource_limits", "node_selector", "tolerations",
)  # fmt: skip
"""The settings of KubeSpawner that a Launch decides; all others are the deployment's."""


def pod_settings(launch: Launch, user: str, place: PodDefaults) -> PodSettings:
    """Translate a Launch for a user; raises RefusedError where the cluster cannot do it."""
    account = service_account(launch.team, launch.bindings)
    about = PodContext(label(user, at_least=2, at_most=60))
    team = _team_folder(launch, place)
    _keep_off(launch, place)
    parts = binding_patch(launch.bindings, about)
    gpu = launch.gpu.resource if launch.gpu else _DEFAULT_GPU
    pool = launch.node_pool
    traits: dict[str, Any] = {
        "image": launch.image,
        "cpu_guarantee": launch.size.cpu_guarantee / 1000,
        "cpu_limit": launch.size.cpu / 1000,
        "mem_guarantee": launch.size.memory_guarantee,
        "mem_limit": launch.size.memory,
        "service_account": account,
        "automount_service_account_token": False,
    }
    if launch.storage.home is not None:
        traits["storage_capacity"] = str(launch.storage.home)
    return PodSettings(
        traits=traits,
        merged={
            "extra_resource_limits": {gpu: str(launch.size.gpu)} if launch.size.gpu else {},
            "node_selector": dict(pool.labels) if pool else {},
            "tolerations": [each.manifest() for each in pool.tolerations] if pool else [],
        },
        labels={**_labels(launch), **parts.labels},
        annotations={**_annotations(launch), **parts.annotations},
        parts=PodPatch(
            volumes=(*parts.volumes, *team.volumes),
            mounts=(*parts.mounts, *team.mounts),
            environment={name: _literal(value) for name, value in parts.environment.items()},
            secret_environment=parts.secret_environment,
            account_annotations=parts.account_annotations,
            expected=parts.expected,
        ),
        account=account,
        init_container=_preparing(launch, place),
        links=_links(launch, parts),
        home=place.home,
    )


def literal_environment(values: Mapping[str, str]) -> dict[str, str]:
    """Write variables so that the kubelet leaves them as they are: `$(NAME)` in one would be replaced."""
    return {name: _literal(value) for name, value in values.items()}


def _literal(value: str) -> str:
    return value.replace("$", "$$")


def _labels(launch: Launch) -> dict[str, str]:
    return {
        f"{LABEL}/team": label(launch.team),
        f"{LABEL}/profile": label(launch.profile_id.replace("/", ".")),
        f"{LABEL}/commit": label(launch.commit),
        f"{LABEL}/app": label(launch.app),
        **({f"{LABEL}/cost-centre": label(launch.cost_centre)} if launch.cost_centre else {}),
        **{f"data-role.{LABEL}/{role}": "true" for role in launch.bindings},
    }


def _annotations(launch: Launch) -> dict[str, str]:
    return {
        f"{LABEL}/profile": launch.profile_id,
        f"{LABEL}/title": launch.title,
        f"{LABEL}/team": launch.team,
        f"{LABEL}/commit": launch.commit,
        f"{LABEL}/data-roles": ",".join(sorted(launch.bindings)),
        **({f"{LABEL}/cost-centre": launch.cost_centre} if launch.cost_centre else {}),
    }


def _keep_off(launch: Launch, place: PodDefaults) -> None:
    """Raise RefusedError where a data role is bound to a claim that homes or the folders of teams lie in."""
    own = place.own_claims | {place.team_claim}
    for role, binding in launch.bindings.items():
        if binding.volume and binding.volume.claim in own:
            why = f"The data role {role} is bound to a volume that holds the homes or the folders of teams."
            raise _unavailable("binding-reserved", why, "Keep the data in a volume of its own.")


def _team_folder(launch: Launch, place: PodDefaults) -> PodPatch:
    if launch.storage.team == "none":
        return PodPatch()
    if not place.team_claim:
        raise _unavailable("team-folder-unavailable", "It needs the folder of its team, and this cluster has none.")
    only_read = launch.storage.team == "read-only"
    return PodPatch(
        volumes=({"name": _TEAM_VOLUME, "persistentVolumeClaim": {"claimName": place.team_claim}},),
        mounts=(
            {
                "name": _TEAM_VOLUME,
                "mountPath": f"{TEAMS}/{launch.team}",
                "subPath": launch.team,
                "readOnly": only_read,
            },
        ),
    )


def _links(launch: Launch, parts: PodPatch) -> tuple[str, ...]:
    links: list[str] = []
    if any(str(mount["mountPath"]).startswith(f"{DATA}/") for mount in parts.mounts):
        links += [DATA, "data"]
    if launch.storage.team != "none":
        links += [f"{TEAMS}/{launch.team}", f"team-{launch.team}"]
    return tuple(links)


def _preparing(launch: Launch, place: PodDefaults) -> dict[str, Any] | None:
    """Give the container that fetches the code before the session starts, or None where nothing is fetched."""
    code, folder = launch.checkout, launch.tool.folder if launch.tool else None
    if code is None and folder is None:
        return None
    if not place.preparing_image or not place.home_mount:
        if code is None:
            return None  # the tool opens in the home itself
        raise _unavailable("checkout-unavailable", "It fetches code, and this cluster has nothing set up for that.")
    arguments = [f"--home={place.home}"]
    if folder is not None:
        arguments.append(f"--folder={folder}")
    if code is not None:
        arguments += [f"--repository={code.repository}", f"--into={code.folder}"]
        if code.ref is not None:
            arguments.append(f"--ref={code.ref}")
    return {
        "name": "prepare",
        "image": place.preparing_image,
        "command": ["python3", "-m", "allotment_spawner.checkout.init_home"],
        "args": [_literal(argument) for argument in arguments],
        # All of it: of a claim that many homes lie in, it gets the one folder that the session gets.
        "volumeMounts": [dict(place.home_mount)],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
        },
    }


def _unavailable(code: str, why: str, remedy: str = "Choose a profile without it.") -> RefusedError:
    return RefusedError(Refusal(code, "The session was not started.", why, remedy, ADMINISTRATORS, 409))


def merge_pod_settings(base: Mapping[str, Any], settings: PodSettings) -> dict[str, Any]:
    """Give every setting that a Launch decides: the deployment's own, and what the Launch says over or beside it."""
    values = dict(base)
    values.update(settings.traits)
    for name, more in settings.merged.items():
        own = base.get(name)
        values[name] = [*_values(own), *more] if isinstance(more, list) else {**(own or {}), **more}
    return values


def _values(configured: Mapping[str, Any] | Iterable[Any] | None) -> list[Any]:
    if isinstance(configured, Mapping):
        return [configured[key] for key in sorted(configured)]
    return list(configured or ())
