"""Labels of the fields of all files, as people call them. Pure functions."""

import re

# Fields whose label is not just their own words.
_LABELS = {
    "app": "what it opens",
    "resources.cpu.guarantee": "CPU guarantee",
    "resources.cpu.limit": "CPU limit",
    "resources.memory.guarantee": "memory guarantee",
    "resources.memory.limit": "memory limit",
    "resources.gpu": "GPUs",
    "resources.gpu_kind": "kind of GPU",
    "storage.home": "size of the home folder",
    "storage.team": "the team's shared folder",
    "checkout.repository": "repository that is checked out",
    "checkout.ref": "checked out at",
    "checkout.folder": "folder of the checkout",
    "options": "order of the options",
    "image_source.repository": "source of the image, repository",
    "image_source.commit": "source of the image, commit",
    "data_roles": "data role",
    "lifetime.idle": "time until an idle session ends",
    "lifetime.total": "longest time of a session",
    "only": "only for the group",
    "maintainers.groups": "group of maintainers",
    "maintainers.users": "maintainer",
    "review_by": "to be reviewed by",
    "members.groups": "group of members",
    "members.users": "member",
    "members.everyone": "everybody belongs",
    "leads.groups": "group of leads",
    "leads.users": "lead",
    "channel": "channel that hears of proposals",
    "deputies.groups": "group of deputies",
    "deputies.users": "deputy",
    "merge": "merging of approved proposals",
    "envelope.cpu": "largest session, CPU",
    "envelope.memory": "largest session, memory",
    "envelope.gpu": "largest session, GPUs",
    "envelope.home": "largest home folder",
    "envelope.images": "images that the team may use",
    "envelope.gpu_kinds": "kind of GPU that the team may use",
    "envelope.node_pools": "node pool that the team may use",
    "granted_to": "grant",
    "binding.volume.claim": "binding, volume claim",
    "binding.volume.sub_path": "binding, volume's sub path",
    "binding.volume.read_only": "binding, read only for sessions",
    "binding.secret.name": "binding, Secret",
    "binding.secret.variables": "binding, Secret's variables",
    "binding.aws_role": "binding, AWS role",
    "binding.eks_pod_identity": "binding, AWS role through EKS Pod Identity",
    "binding.gcp_service_account": "binding, service account of Google Cloud",
    "binding.azure_identity.client_id": "binding, client ID of Azure's identity",
    "binding.azure_identity.tenant_id": "binding, tenant of Azure's identity",
    "binding.vault.role": "binding, Vault's role",
    "binding.vault.path": "binding, path in Vault",
    "format": "format of the files",
    "ceilings.cpu": "largest session of any team, CPU",
    "ceilings.memory": "largest session of any team, memory",
    "ceilings.gpu": "largest session of any team, GPUs",
    "ceilings.lifetime": "longest time of any session",
    "ceilings.home": "largest home folder of any team",
    "registries": "where images may come from",
    "repositories": "where checkouts may come from",
    "prices.currency": "currency of the prices",
    "prices.cpu_hour": "price of a CPU for an hour",
    "prices.memory_gib_hour": "price of a GiB of memory for an hour",
    "prices.gpu_hour": "price of a GPU for an hour",
    "rules.envelope": "rule on sessions beyond a team's envelope",
    "rules.image_digest": "rule on images without a digest",
    "rules.image_source": "rule on images without a source",
    "rules.review_by": "rule on profiles without a review date",
    "rules.variables": "rule on variables that name programs or places",
    "variables.restricted": "variable that an administrator has to accept",
    "variables.allowed": "variable that nobody has to accept",
    "automatic.enabled": "maintainers' changes without an approval",
    "automatic.changes": "kind of change that a maintainer makes without an approval",
    "listing": "profiles that users see on the pages",
    "direct_push": "commits that were pushed without a review",
    "fresh_sign_in": "age of a sign-in that may give data",
    "open_proposals.person": "open proposals of one person",
    "open_proposals.total": "open proposals of all people",
    "daily_limits.records": "proposals, updates and comments of one person in a day",
    "daily_limits.size": "size of what one person proposes in a day",
    "reminders.after": "time until people are reminded of a review",
    "events.hourly": "events of a kind in an hour",
    "events.keep_days": "days for which events are kept",
    "removal_share": "share of the files that one commit may delete",
    "review_warning": "warning before a review date",
    "last_good": "time that an earlier version applies in place of an invalid one",
    "after_access_ends": "time that a session keeps running after it has lost data",
    "trial": "time that a trial of a profile that is not merged yet may run",
}
_BUDGETS = {"budget": "the team's sessions at one time", "user_budget": "one user's sessions at one time"}
_AMOUNTS = {"sessions": "number", "cpu": "CPU", "memory": "memory", "gpu": "GPUs"}
_SHAPES = tuple(
    (re.compile(shape), label)
    for shape, label in (
        (r"options\.([^.]+)\.default", "option {0}: default choice"),
        (r"options\.([^.]+)\.choices", "option {0}: order of the choices"),
        (r"options\.([^.]+)\.([^.]+)", "option {0}: {1}"),
        (r"environment\.(.+)", "variable {0}"),
        (r"binding\.secret\.variables\.(.+)", "binding, variable {0}"),
        (r"accepted\.([^.]+)\.reason", "acceptance of {0}, reason"),
        (r"accepted\.([^.]+)\.until", "acceptance of {0}, until"),
        (r"granted_to\.([^.]+)", "grant to {0}"),
        (r"granted_to\.([^.]+)\.review_by", "grant to {0}, to be reviewed by"),
        (r"granted_to\.([^.]+)\.(.+)", "grant to {0}, {1}"),
        (r"gpu_kinds\.([^.]+)\.hour", "GPUs {0}, price of one for an hour"),
        (r"gpu_kinds\.([^.]+)\.ceiling", "GPUs {0}, at most in one session"),
        (r"gpu_kinds\.([^.]+)\.(.+)", "GPUs {0}, {1}"),
        (r"node_pools\.([^.]+)\.labels\.(.+)", "node pool {0}, label {1}"),
        (r"node_pools\.([^.]+)\.(.+)", "node pool {0}, {1}"),
        (r"tools\.([^.]+)\.(.+)", "tool {0}, {1}"),
    )
)
_CHOICE = re.compile(r"options\.([^.]+)\.choices\.([^.]+)\.(.+)")


def label_of(field: str) -> str:
    """Return a field's label."""
    if field in _LABELS:
        return _LABELS[field]
    choice = _CHOICE.fullmatch(field)
    if choice:
        option, key, rest = choice.groups()
        return f"option {option}, choice {key}: {label_of(rest)}"
    first, _, rest = field.partition(".")
    if first in _BUDGETS and rest in _AMOUNTS:
        return f"{_BUDGETS[first]}, {_AMOUNTS[rest]}"
    for shape, label in _SHAPES:
        match = shape.fullmatch(field)
        if match:
            return label.format(*(group.replace("_", " ") for group in match.groups()))
    return " ".join(field.split(".")).replace("_", " ")
