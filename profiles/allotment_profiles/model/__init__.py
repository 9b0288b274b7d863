"""Models of the files of a repository, and what can be checked in one file: profile, team, data role, policy."""

from allotment_profiles.model.base import Model
from allotment_profiles.model.data_role import AzureIdentity, Binding, DataRole, Grant, Secret, Vault, Volume
from allotment_profiles.model.paths import Kind
from allotment_profiles.model.policy import (
    BUILT_IN_APPS,
    Automatic,
    AutomaticKind,
    Ceilings,
    GpuKind,
    NodePool,
    Policy,
    Prices,
    RuleLevel,
    Rules,
    Toleration,
    Tool,
)
from allotment_profiles.model.profile import (
    Acceptance,
    Checkout,
    Choice,
    CpuOverride,
    CpuRange,
    ImageSource,
    Lifetime,
    MemoryOverride,
    MemoryRange,
    Option,
    Profile,
    Resources,
    ResourcesOverride,
    Storage,
)
from allotment_profiles.model.quantities import Budget
from allotment_profiles.model.team import EVERYONE, Envelope, Members, People, Team

MODELS: dict[Kind, type[Model]] = {"policy": Policy, "team": Team, "profile": Profile, "data role": DataRole}
"""The model of each kind of file."""

__all__ = [
    "BUILT_IN_APPS",
    "EVERYONE",
    "MODELS",
    "Acceptance",
    "Automatic",
    "AutomaticKind",
    "AzureIdentity",
    "Binding",
    "Budget",
    "Ceilings",
    "Checkout",
    "Choice",
    "CpuOverride",
    "CpuRange",
    "DataRole",
    "Envelope",
    "GpuKind",
    "Grant",
    "ImageSource",
    "Lifetime",
    "Members",
    "MemoryOverride",
    "MemoryRange",
    "Model",
    "NodePool",
    "Option",
    "People",
    "Policy",
    "Prices",
    "Profile",
    "Resources",
    "ResourcesOverride",
    "RuleLevel",
    "Rules",
    "Secret",
    "Storage",
    "Team",
    "Toleration",
    "Tool",
    "Vault",
    "Volume",
]
