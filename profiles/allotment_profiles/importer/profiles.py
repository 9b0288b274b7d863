"""One entry of a profile list as one profile of ours."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from allotment_profiles.importer.formatting import Names, name_of, plain, refused
from allotment_profiles.importer.ledger import Ledger
from allotment_profiles.importer.platform import Platform
from allotment_profiles.importer.settings import KubeSpawnerSettings, read_override
from allotment_profiles.importer.values import Node
from allotment_profiles.model.quantities import cpu_number, format_cpu, format_memory
from allotment_profiles.model.texts import Group, ImagePattern

MAXIMUM_OPTIONS, MAXIMUM_CHOICES, MAXIMUM_GROUPS = 8, 20, 50
SAMPLE_IMAGE = "quay.io/jupyterhub/k8s-singleuser-sample:4.4.0"
_CPU, _MEMORY = 2000, 4 * 1024**3
_GROUPS = ("allowed_groups", "allowed_teams")
_LITERAL = re.compile(r"\^?((?:[A-Za-z0-9_/:-]|\\?\.(?![*+?{]))+)", re.ASCII)


@dataclass
class Imported:
    """A profile as plain data, and where its parts stood."""

    name: str
    value: dict[str, Any]
    node: Node
    places: dict[str, Node] = field(default_factory=dict)
    """Field → where it stood, for options and choices."""
    settings: Mapping[str, Node] = field(default_factory=dict)
    """Where the settings stand that went into it, its own and those that hold for all."""
    images: list[str] = field(default_factory=list)
    """Patterns of images that people could type in."""


@dataclass
class _Choice:
    key: str
    node: Node
    settings: KubeSpawnerSettings
    value: dict[str, Any]


@dataclass
class _Option:
    key: str
    value: dict[str, Any]
    choices: list[_Choice]


def import_profile(
    node: Node, key: str, names: Names, defaults: KubeSpawnerSettings, platform: Platform, ledger: Ledger
) -> Imported:
    """Make a profile of one entry of a list; what cannot be carried over is in the ledger."""
    return _Importing(node, key, names, defaults, platform, ledger).run()


class _Importing:
    def __init__(
        self, node: Node, key: str, names: Names, defaults: KubeSpawnerSettings, platform: Platform, ledger: Ledger
    ) -> None:
        self._node, self._key, self._ledger, self._platform = node, key, ledger, platform
        self._names, self._defaults = names, defaults
        self._places: dict[str, Node] = {}
        self._images: list[str] = []

    def run(self) -> Imported:
        node = self._node
        value = self._words()
        name = self._names.free(self._slug() or value["title"], "profile")
        self._names.add(name)
        override = node.at("kubespawner_override")
        base = (read_override(override, self._ledger) if override else KubeSpawnerSettings()).over(self._defaults)
        options = list(self._options(base))
        only, readable = self._audience(node)
        if only:
            value["only"] = only
        if not readable:
            value["visibility"] = "draft"
            self._ledger.remark(node, "Who may see it cannot be read: it is a draft, which the leads alone see.")
        default = node.at("default")
        if default is not None:
            why = "No profile is the default: the start page shows what somebody started last first."
            self._ledger.lost(default, why)
        value |= self._base(base, options)
        if options:
            value["options"] = {option.key: option.value for option in options}
        return Imported(name, value, node, self._places, base.places, self._images)

    # -- words

    def _text(self, name: str, maximum: int, node: Node) -> str:
        found = node.at(name)
        if found is None or found.value is None or isinstance(found.value, Mapping | list):
            return ""
        written = found.value if isinstance(found.value, str) else found.text
        text = plain(written, maximum)
        if text == written.strip():
            self._ledger.carried(found)
        else:
            self._ledger.changed(found, "Texts are plain, on one line and not longer than the page has room for.")
        return text

    def _words(self) -> dict[str, Any]:
        title = self._text("display_name", 80, self._node) or plain(self._key, 80) or "Session"
        description = self._text("description", 300, self._node)
        words = {"title": title, "description": description} if description else {"title": title}
        return words | {"purpose": f"Carried over from the chart's values, where it was called {title}"}

    def _slug(self) -> str:
        slug = self._node.at("slug")
        if slug is None or not isinstance(slug.value, str):
            return self._key
        if self._names.free(slug.value, "profile") == slug.value:
            self._ledger.carried(slug)
        else:
            self._ledger.changed(slug, "Names are lower-case letters, digits and hyphens, and differ at a glance.")
        return slug.value

    # -- who

    def _audience(self, node: Node) -> tuple[list[str], bool]:
        """Give the groups it is for, and whether that is all there is to know: nobody gains what was not theirs."""
        groups: list[str] = []
        readable = True
        for name, each in node.mapping.items():
            if not name.startswith("allowed_") or each.value is None:
                continue
            if name not in _GROUPS or not each.entries:
                self._ledger.lost(each, "This is not a list of groups.")
                readable = False
                continue
            for entry in each.entries:
                why = refused(Group, entry.value)
                if why or len(groups) >= MAXIMUM_GROUPS:
                    self._ledger.lost(entry, why or f"At most {MAXIMUM_GROUPS} groups are named.")
                else:
                    groups.append(str(entry.value))
                    self._ledger.carried(entry)
            readable = readable and bool(groups)
        return list(dict.fromkeys(groups)), readable

    # -- options

    def _options(self, base: KubeSpawnerSettings) -> Iterator[_Option]:
        node = self._node.at("profile_options")
        if node is None:
            return
        used: set[str] = set()
        selected = False
        for written, each in node.mapping.items():
            if len(used) >= MAXIMUM_OPTIONS:
                self._ledger.lost(each, f"A profile asks at most {MAXIMUM_OPTIONS} questions.")
                continue
            option = self._option(written, each, used, base)
            if option is None:
                continue
            chooses = any(choice.settings.labels or choice.settings.tolerations for choice in option.choices)
            if chooses and selected:
                self._ledger.remark(each, "Two options choose nodes: here the last one counts, they are not merged.")
            selected = selected or chooses
            yield option

    def _option(self, written: str, node: Node, used: set[str], base: KubeSpawnerSettings) -> _Option | None:
        title = self._text("display_name", 80, node) or plain(written, 80) or "Option"
        description = self._text("description", 300, node)
        self._unlisted(node.at("unlisted_choice"))
        listed = node.at("choices")
        choices: list[_Choice] = []
        names: set[str] = set()
        for label, each in (listed.mapping if listed else {}).items():
            if not isinstance(each.value, Mapping):
                continue  # the sweep finds it
            if len(choices) >= MAXIMUM_CHOICES:
                self._ledger.lost(each, f"An option has at most {MAXIMUM_CHOICES} choices.")
                continue
            choice = self._choice(label, each, names)
            if choice is not None:
                choices.append(choice)
        if not choices:
            if not node.says_nothing:
                self._ledger.lost(node, "It has no choice that can be carried over.")
            return None
        key = name_of(written, used, "option")
        used.add(key)
        self._places[f"options.{key}"] = node
        default = self._default(node, choices)
        for choice in choices:
            self._places[f"options.{key}.choices.{choice.key}"] = choice.node
            choice.value |= self._chosen(choice.settings, base)
        value: dict[str, Any] = {"title": title} | ({"description": description} if description else {})
        value |= {"default": default.key, "choices": {choice.key: choice.value for choice in choices}}
        return _Option(key, value, choices)

    def _choice(self, label: str, node: Node, names: set[str]) -> _Choice | None:
        only, readable = self._audience(node)
        if not readable:
            self._ledger.lost(node, "Who may choose it cannot be read here, so nobody may.")
            return None
        title = self._text("display_name", 80, node) or plain(label, 80) or "Choice"
        description = self._text("description", 300, node)
        override = node.at("kubespawner_override")
        settings = read_override(override, self._ledger, choice=True) if override else KubeSpawnerSettings()
        key = name_of(label, names, "choice")
        names.add(key)
        value: dict[str, Any] = {"title": title} | ({"description": description} if description else {})
        if only:
            value["only"] = only
        return _Choice(key, node, settings, value)

    def _default(self, node: Node, choices: list[_Choice]) -> _Choice:
        said = [choice for choice in choices if (flag := choice.node.at("default")) and flag.value is True]
        for choice in choices:
            flag = choice.node.at("default")
            if flag is not None and flag.value in (True, False):
                self._ledger.carried(flag)
        default = said[0] if said else choices[0]
        for choice in said[1:]:
            self._ledger.remark(choice.node, "Another choice of the option is the default as well, and is taken.")
        if "only" in default.value:
            free = [choice for choice in choices if "only" not in choice.value]
            if free:
                self._ledger.remark(node, "The default choice is for some groups only: the first for all is taken.")
                default = free[0]
        return default

    def _unlisted(self, node: Node | None) -> None:
        """Nobody types an image in here; what would have matched can be in the team's envelope instead."""
        if node is None or node.says_nothing:
            return
        enabled = node.at("enabled")
        if enabled is None or enabled.value is not True:
            self._ledger.stays(node, "It is switched off: nothing is lost.")
            return
        override = node.at("kubespawner_override")
        image = (override.mapping.get("image") or override.mapping.get("image_spec")) if override else None
        pattern = _pattern(node.at("validation_regex"), image)
        why = "Nothing is typed in freely: what may start has been looked at. A new choice is a proposal of one line"
        if pattern is None:
            self._ledger.lost(node, f"{why}.")
        else:
            self._images.append(pattern)
            self._ledger.changed(node, f"{why}, and {pattern} is in the envelope, so the team's leads decide it.")

    def _chosen(self, settings: KubeSpawnerSettings, base: KubeSpawnerSettings) -> dict[str, Any]:
        """Say what a choice replaces."""
        value: dict[str, Any] = {}
        if settings.image:
            value["image"] = settings.image
        if settings.environment:
            value["environment"] = dict(settings.environment)
        app = self._app(settings)
        if app:
            value["app"] = app
        resources = _ranges(settings)
        effective = settings.over(base)
        pool = self._pool(settings, effective) if settings.labels or settings.tolerations else None
        if pool:
            value["node_pool"] = pool
        if settings.gpu is not None:
            resources["gpu"] = settings.gpu
        if effective.gpu_resource and (settings.labels or settings.gpu_resource not in (None, base.gpu_resource)):
            kind = self._platform.gpu_kind(effective.gpu_resource, effective.labels)
            if kind:
                resources["gpu_kind"] = kind
        return value | ({"resources": resources} if resources else {})

    # -- the profile itself

    def _base(self, base: KubeSpawnerSettings, options: list[_Option]) -> dict[str, Any]:
        choices = [choice for option in options for choice in option.choices]
        image = base.image
        for option in options:
            chosen = option.value["choices"][option.value["default"]].get("image")
            image = image or chosen
        if image is None:
            image = next((choice.settings.image for choice in choices if choice.settings.image), SAMPLE_IMAGE)
            if image == SAMPLE_IMAGE:
                self._ledger.remark(self._node, f"It names no image; the chart's own is {image}: choose one.")
        app = self._app(base) or "jupyterlab"
        value: dict[str, Any] = {"app": app, "image": image, "resources": self._resources(base, choices)}
        pool = self._pool(base, base)
        if pool:
            value["node_pool"] = pool
        if base.home:
            value["storage"] = {"home": format_memory(base.home)}
        if base.environment:
            value["environment"] = dict(base.environment)
        return value

    def _app(self, settings: KubeSpawnerSettings) -> str | None:
        app = self._platform.app(settings.app) if settings.app else None
        if settings.app and app is None:
            self._ledger.lost(settings.places["app"], "A policy has at most twenty tools.")
        return app

    def _pool(self, settings: KubeSpawnerSettings, effective: KubeSpawnerSettings) -> str | None:
        """Give the node pool; where there can be none, what was said about nodes is lost."""
        pool = self._platform.node_pool(effective)
        if pool is None:
            why = "A policy has at most twenty node pools." if effective.labels else "Nodes are known by their labels."
            for field_name, place in settings.places.items():
                if field_name.startswith("labels.") or field_name == "tolerations":
                    self._ledger.lost(place, why)
        return pool

    def _note(self, settings: KubeSpawnerSettings, field_name: str, node: Node, why: str) -> None:
        """Tell of one setting at its own place, or where it came to be."""
        if field_name in settings.places:
            self._ledger.changed(settings.places[field_name], why)
        else:
            self._ledger.remark(node, why)

    def _resources(self, base: KubeSpawnerSettings, choices: list[_Choice]) -> dict[str, Any]:
        """Give limits to everything, for ours always has them, and no guarantee above one."""
        for name, least, write in (("cpu", _CPU, format_cpu), ("memory", _MEMORY, format_memory)):
            limit, guarantee = getattr(base, f"{name}_limit"), getattr(base, f"{name}_guarantee")
            guarantees = [getattr(choice.settings, f"{name}_guarantee") or 0 for choice in choices]
            if limit is None:
                limit = max(least, guarantee or 0, *guarantees)
                word = "CPU" if name == "cpu" else "memory"
                said = [choice for choice in choices if getattr(choice.settings, f"{name}_limit")]
                if not choices or len(said) < len(choices):
                    why = f"It has no limit of {word}, and every session needs one: {write(limit)} is taken."
                    self._ledger.remark(self._node, why)
            if guarantee and guarantee > limit and f"{name}_guarantee" not in base.places:
                guarantee = limit  # nobody asked for the chart's own
            if guarantee and guarantee > limit:
                why = f"The guarantee is above the limit: {write(limit)} is taken."
                self._note(base, f"{name}_guarantee", self._node, why)
                guarantee = limit
            base = KubeSpawnerSettings(**{**vars(base), f"{name}_limit": limit, f"{name}_guarantee": guarantee})
            default = 100 if name == "cpu" else 256 * 1024**2
            if guarantee is None and limit < default:
                base = KubeSpawnerSettings(**{**vars(base), f"{name}_guarantee": limit})
                guarantee = limit
            self._lower(choices, name, limit, guarantee or default)
        resources = _ranges(base)
        # A choice that says nothing about the kind takes the profile's.
        asked = any(choice.settings.gpu and "gpu_kind" not in choice.value["resources"] for choice in choices)
        resource = base.gpu_resource or next(
            (c.settings.gpu_resource for c in choices if c.settings.gpu_resource), None
        )
        if resource and (base.gpu or asked):
            resources["gpu"] = base.gpu or 0
            kind = self._platform.gpu_kind(resource, base.labels)
            if kind:
                resources["gpu_kind"] = kind
        return resources

    def _lower(self, choices: list[_Choice], name: str, limit: int, guarantee: int) -> None:
        """Lower the guarantee in a choice whose limit is below it: Kubernetes would refuse such a session."""
        number = cpu_number if name == "cpu" else format_memory
        for choice in choices:
            less, own = getattr(choice.settings, f"{name}_limit"), getattr(choice.settings, f"{name}_guarantee")
            promised, most = own or guarantee, less or limit
            if promised > most:
                choice.value.setdefault("resources", {}).setdefault(name, {})["guarantee"] = number(most)
                why = f"The guarantee of {name} is above the limit: it is lowered."
                self._note(choice.settings, f"{name}_guarantee", choice.node, why)


def _ranges(settings: KubeSpawnerSettings) -> dict[str, Any]:
    cpu = {"guarantee": settings.cpu_guarantee, "limit": settings.cpu_limit}
    memory = {"guarantee": settings.memory_guarantee, "limit": settings.memory_limit}
    written = {
        "cpu": {name: cpu_number(amount) for name, amount in cpu.items() if amount},
        "memory": {name: format_memory(amount) for name, amount in memory.items() if amount},
    }
    return {name: value for name, value in written.items() if value}


def _pattern(expression: Node | None, image: Node | None) -> str | None:
    """Give the pattern of the images that a free text could name, from the fixed text that both begin with.

    The expression itself is never run: it is a stranger's, and could take for ever.
    """
    template = image.value if image and isinstance(image.value, str) else ""
    start, value, _ = template.partition("{value}")
    if not value:
        return None
    if not start and expression is not None and isinstance(expression.value, str):
        match = _LITERAL.match(expression.value[:500]) if expression.value.startswith("^") else None
        start = match[1].replace("\\", "") if match else ""
    start = start.partition("@")[0]
    folder, slash, last = start.rpartition("/")
    if not slash:
        return None
    first = folder.partition("/")[0]
    if "." not in first and ":" not in first and first != "localhost":
        folder = f"docker.io/{folder}"
    name, colon, _ = last.partition(":")
    pattern = f"{folder}/{name}" if colon and name else f"{folder}/*"
    return pattern if refused(ImagePattern, pattern) is None else None
