"""Advice about the choices of a profile: one that is smaller than the default, and stands after it. Pure."""

from collections.abc import Iterator

from allotment_profiles.model import Choice, Profile
from allotment_profiles.model.problems import Problem
from allotment_profiles.model.sizes import size_of
from allotment_profiles.model.values.quantities import format_cpu, format_memory


def check_choices(path: str, profile: Profile) -> Iterator[Problem]:
    """Yield an advice for each limit of a choice that is below the default's, where the choice stands after it.

    This happens when the profile's size is raised and its choices are forgotten. Smaller choices are written before
    the default, so they are meant.
    """
    for name, option in profile.options.items():
        place = f"options.{name}.choices"
        default = size_of(profile, {f"{place}.{option.default}": option.choices[option.default]})
        keys = list(option.choices)
        for key in keys[keys.index(option.default) + 1 :]:
            choice = option.choices[key]
            if _other_machine(choice):
                continue
            size, field = size_of(profile, {f"{place}.{key}": choice}), f"{place}.{key}.resources"
            for less, amount, usual, limit in (
                (size.cpu < default.cpu, _cpus(size.cpu), _cpus(default.cpu), "cpu"),
                (size.memory < default.memory, format_memory(size.memory), format_memory(default.memory), "memory"),
            ):
                if less:
                    titles = f"{choice.title} has {amount}, less than {option.choices[option.default].title}"
                    message = f"{titles}, which is chosen at first and has {usual}."
                    remedy = "Raise it in the choice. If it is meant, write the choice before the other one."
                    yield Problem(path, "choice-smaller", message, remedy, f"{field}.{limit}.limit", level="advice")


def _cpus(thousandths: int) -> str:
    return f"{format_cpu(thousandths)} CPU{'' if thousandths == 1000 else 's'}"


def _other_machine(choice: Choice) -> bool:
    """Whether a choice is of another kind of machine, whose CPUs and memory are not compared."""
    return choice.resources.gpu is not None or choice.resources.gpu_kind is not None or choice.node_pool is not None
