"""Translate a Launch into settings of KubeSpawner and additions to its pod. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import PurePosixPath
from typing import Any

from allotment_profiles.access.launch import Launch
from allotment_profiles.access.service_accounts import TRIAL_ACCOUNT, service_account
from allotment_spawner.kubernetes.bindings import binding_patch
from allotment_spawner.kubernetes.names import label
from allotment_spawner.kubernetes.pod_patch import DATA, PodContext, PodPatch
from allotment_spawner.session.errors import not_started

LABEL = "allotment"
"""The prefix of our labels and annotations."""
TEAMS = "/teams"
"""The folder of a session for the folder of its team."""
_CHOOSE_ANOTHER = "Choose a profile without it."
_DEFAULT_GPU = "nvidia.com/gpu"
_TEAM_VOLUME = "team-folder"

# Links the mounted folders into the home folder, and never replaces a file there. The script is constant: the links
# are passed as arguments, `target link`.
_LINK_SCRIPT = """\
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
    """What the deployment configures for every session."""

    home: str = "/home/jovyan"
    home_mount: Mapping[str, Any] = field(default_factory=dict)
    """The volume mount of the home folder; empty: the home ends with the session."""
    team_claim: str = ""
    """The claim with a folder for each team; empty: there are none."""
    preparing_image: str = ""
    """The image that fetches a profile's code; empty: there is none."""
    own_claims: frozenset[str] = frozenset()
    """The claims that the deployment mounts in every session. A shared one holds the homes of other users."""


@dataclass(frozen=True, slots=True)
class LaunchTraits:
    """KubeSpawner's traits that a Launch decides, by name. All others are the deployment's."""

    image: str
    cpu_guarantee: float
    cpu_limit: float
    mem_guarantee: int
    mem_limit: int
    service_account: str
    storage_capacity: str | None
    """None keeps the deployment's."""
    extra_resource_limits: Mapping[str, str]
    """Added to the deployment's, as are the two below."""
    node_selector: Mapping[str, str]
    tolerations: tuple[Mapping[str, str], ...]
    automount_service_account_token: bool = False


TRAITS = tuple(trait.name for trait in fields(LaunchTraits))


@dataclass(frozen=True, slots=True)
class PodSettings:
    """What one Launch means on a cluster."""

    traits: LaunchTraits
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    patch: PodPatch
    init_container: Mapping[str, Any] | None
    links: tuple[str, ...]
    """Target, link, target, link …: the links in the home folder."""
    home: str
    trial: bool = False
    """Whether it gets nothing of what the deployment has for this user, such as the home."""

    def link_hook(self, mounted: Iterable[str]) -> Mapping[str, Any] | None:
        """Return the hook that creates the links when the container starts; None if none is needed.

        `mounted` has the mount paths of the deployment's volumes: a home in one of them may have links of earlier
        sessions. A hook delays the start, so there is one only if needed.
        """
        home = PurePosixPath(self.home)
        if not self.links and not any(home.is_relative_to(path) for path in mounted):
            return None
        return {"exec": {"command": ["sh", "-c", _LINK_SCRIPT, "sh", *self.links]}}


def pod_settings(launch: Launch, user: str, defaults: PodDefaults) -> PodSettings:
    """Translate a Launch for a user. Raise RefusedError if the cluster cannot do it."""
    team = _team_folder(launch, defaults)
    _check_claims(launch, defaults)
    patch = binding_patch(launch.bindings, PodContext(label(user, at_least=2, at_most=60)))
    return PodSettings(
        traits=_traits(launch),
        labels={**_labels(launch), **patch.labels},
        annotations={**_annotations(launch), **patch.annotations},
        patch=replace(
            patch,
            volumes=(*patch.volumes, *team.volumes),
            mounts=(*patch.mounts, *team.mounts),
            environment={name: escape_variable(value) for name, value in patch.environment.items()},
        ),
        init_container=_init_container(launch, defaults),
        links=_links(launch, patch),
        home=defaults.home,
        trial=launch.trial is not None,
    )


def escape_variable(value: str) -> str:
    """Escape a value for the kubelet, which would replace `$(NAME)` in it."""
    return value.replace("$", "$$")


def _traits(launch: Launch) -> LaunchTraits:
    size, pool = launch.size, launch.node_pool
    gpu = launch.gpu.resource if launch.gpu else _DEFAULT_GPU
    return LaunchTraits(
        image=launch.image,
        cpu_guarantee=size.cpu_guarantee / 1000,
        cpu_limit=size.cpu / 1000,
        mem_guarantee=size.memory_guarantee,
        mem_limit=size.memory,
        service_account=TRIAL_ACCOUNT
        if launch.trial and not launch.bindings
        else service_account(launch.team, launch.bindings),
        storage_capacity=None if launch.storage.home is None else str(launch.storage.home),
        extra_resource_limits={gpu: str(size.gpu)} if size.gpu else {},
        node_selector=dict(pool.labels) if pool else {},
        tolerations=tuple(toleration.manifest() for toleration in pool.tolerations) if pool else (),
    )


def _labels(launch: Launch) -> dict[str, str]:
    # A network policy that lets the sessions of a profile reach something lets in no image that nobody has approved.
    ours = {
        f"{LABEL}/team": label(launch.team),
        f"{LABEL}/profile": label(launch.profile_id.replace("/", ".")),
        f"{LABEL}/app": label(launch.app),
    }
    return {
        **({} if launch.trial else ours),
        f"{LABEL}/commit": label(launch.commit),
        **({f"{LABEL}/cost-centre": label(launch.cost_centre)} if launch.cost_centre else {}),
        **({f"{LABEL}/trial": label(launch.trial.name)} if launch.trial else {}),
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
        **({f"{LABEL}/trial": launch.trial.name, f"{LABEL}/head": launch.trial.head} if launch.trial else {}),
    }


def _check_claims(launch: Launch, defaults: PodDefaults) -> None:
    """Raise RefusedError if a data role is bound to a claim that holds homes or team folders."""
    reserved = defaults.own_claims | {defaults.team_claim}
    for role, binding in launch.bindings.items():
        if binding.volume and binding.volume.claim in reserved:
            why = f"The data role {role} is bound to a volume that holds the homes or the folders of teams."
            raise not_started("binding-reserved", why, "Keep the data in a separate volume.")


def _team_folder(launch: Launch, defaults: PodDefaults) -> PodPatch:
    if launch.storage.team == "none":
        return PodPatch()
    if not defaults.team_claim:
        why = "It needs the folder of its team, and this cluster has none."
        raise not_started("team-folder-unavailable", why, _CHOOSE_ANOTHER)
    mount = {
        "name": _TEAM_VOLUME,
        "mountPath": f"{TEAMS}/{launch.team}",
        "subPath": launch.team,
        "readOnly": launch.storage.team == "read-only",
    }
    return PodPatch(
        volumes=({"name": _TEAM_VOLUME, "persistentVolumeClaim": {"claimName": defaults.team_claim}},), mounts=(mount,)
    )


def _links(launch: Launch, patch: PodPatch) -> tuple[str, ...]:
    links: list[str] = []
    if any(str(mount["mountPath"]).startswith(f"{DATA}/") for mount in patch.mounts):
        links += [DATA, "data"]
    if launch.storage.team != "none":
        links += [f"{TEAMS}/{launch.team}", f"team-{launch.team}"]
    return tuple(links)


def _init_container(launch: Launch, defaults: PodDefaults) -> dict[str, Any] | None:
    code, folder = launch.checkout, launch.tool.folder if launch.tool else None
    if code is None and folder is None:
        return None
    if not defaults.preparing_image or not defaults.home_mount:
        if code is None:
            return None  # the tool opens in the home folder instead
        why = "It fetches code, and this cluster is not set up for that."
        raise not_started("checkout-unavailable", why, _CHOOSE_ANOTHER)
    arguments = [f"--home={defaults.home}"]
    if folder is not None:
        arguments.append(f"--folder={folder}")
    if code is not None:
        arguments += [f"--repository={code.repository}", f"--into={code.folder}"]
        if code.ref is not None:
            arguments.append(f"--ref={code.ref}")
    return {
        "name": "prepare",
        "image": defaults.preparing_image,
        "command": ["python3", "-m", "allotment_spawner.checkout.init_home"],
        "args": [escape_variable(argument) for argument in arguments],
        # With the sub-path: of a claim with many homes it gets only the session's own.
        "volumeMounts": [dict(defaults.home_mount)],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True},
    }


def merge_traits(configured: Mapping[str, Any], traits: LaunchTraits) -> dict[str, Any]:
    """Return the value of each trait: the Launch's instead of the deployment's, or added to it for collections."""
    values = dict(configured)
    for name in TRAITS:
        own, value = configured.get(name), getattr(traits, name)
        if isinstance(value, Mapping):
            values[name] = {**(own or {}), **value}
        elif isinstance(value, tuple):
            values[name] = [*_as_list(own), *value]
        elif value is not None:
            values[name] = value
    return values


def _as_list(configured: Mapping[str, Any] | Iterable[Any] | None) -> list[Any]:
    if isinstance(configured, Mapping):
        return [configured[key] for key in sorted(configured)]
    return list(configured or ())
