"""Models of the files of a repository, and what can be checked in one file: profile, team, data role, policy."""

from allotment_profiles.model.base import Model
from allotment_profiles.model.data_role import AzureIdentity, Binding, DataRole, Grant, Secret, Vault, Volume
from allotment_profiles.model.paths import Kind
from allotment_profiles.model.policy import (
    BUILT_IN_APPS,
    DailyLimits,
    GpuKind,
    NodePool,
    OpenProposals,
    Policy,
    RuleLevel,
    Toleration,
    Tool,
)
from allotment_profiles.model.profile import Acceptance, Checkout, Choice, Option, Profile, Resources, Storage
from allotment_profiles.model.team import EVERYONE, Envelope, Members, People, Team
from allotment_profiles.model.values.quantities import Budget

MODELS: dict[Kind, type[Model]] = {"policy": Policy, "team": Team, "profile": Profile, "data role": DataRole}
"""The model of each kind of file."""

__all__ = [
    "BUILT_IN_APPS",
    "EVERYONE",
    "MODELS",
    "Acceptance",
    "AzureIdentity",
    "Binding",
    "Budget",
    "Checkout",
    "Choice",
    "DailyLimits",
    "DataRole",
    "Envelope",
    "GpuKind",
    "Grant",
    "Members",
    "Model",
    "NodePool",
    "OpenProposals",
    "Option",
    "People",
    "Policy",
    "Profile",
    "Resources",
    "RuleLevel",
    "Secret",
    "Storage",
    "Team",
    "Toleration",
    "Tool",
    "Vault",
    "Volume",
]
