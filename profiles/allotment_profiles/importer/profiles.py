"""Import one entry of a profile list as a profile."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from allotment_profiles.importer.formatting import Names, name_of, plain, validation_error
from allotment_profiles.importer.kubespawner_settings import KubeSpawnerSettings, read_override
from allotment_profiles.importer.ledger import HIDDEN, Ledger
from allotment_profiles.importer.platform import Platform
from allotment_profiles.importer.resources import ImportedChoice, cpu_and_memory, import_resources
from allotment_profiles.importer.values import Node
from allotment_profiles.model.values.quantities import format_memory
from allotment_profiles.model.values.texts import Group, ImagePattern

MAXIMUM_OPTIONS, MAXIMUM_CHOICES, MAXIMUM_GROUPS = 8, 20, 50
SAMPLE_IMAGE = "quay.io/jupyterhub/k8s-singleuser-sample:4.4.0"
_GROUPS = ("allowed_groups", "allowed_teams")
_LITERAL = re.compile(r"\^?((?:[A-Za-z0-9_/:-]|\\?\.(?![*+?{]))+)", re.ASCII)


@dataclass
class ImportedProfile:
    """A profile as plain data, and the nodes that it comes from."""

    name: str
    value: dict[str, Any]
    node: Node
    sources: dict[str, Node] = field(default_factory=dict)
    """Field → node, for options and choices."""
    settings: Mapping[str, Node] = field(default_factory=dict)
    """Setting → node, for its own settings and those for all sessions."""
    images: list[str] = field(default_factory=list)


@dataclass
class _Option:
    key: str
    value: dict[str, Any]
    choices: list[ImportedChoice]


class ProfileImporter:
    """Imports one entry of a profile list, and records its keys in the ledger."""

    def __init__(
        self, node: Node, key: str, names: Names, defaults: KubeSpawnerSettings, platform: Platform, ledger: Ledger
    ) -> None:
        self._node, self._key, self._ledger, self._platform = node, key, ledger, platform
        self._names, self._defaults = names, defaults
        self._sources: dict[str, Node] = {}
        self._images: list[str] = []
        self._combined = False
        """Whether choices of two options together would give other nodes than before."""

    def run(self) -> ImportedProfile:
        """Return the profile."""
        node = self._node
        value = self._words()
        name = self._names.free(self._slug() or value["title"], "profile")
        self._names.add(name)
        override = node.at("kubespawner_override")
        base = (read_override(override, self._ledger) if override else KubeSpawnerSettings()).over(self._defaults)
        options = list(self._options(base))
        only, complete = self._audience(node)
        if only:
            value["only"] = only
        if not complete:
            value["visibility"] = "draft"
            self._ledger.remark(node, f"Who may use it cannot be determined: {HIDDEN}")
        elif self._combined:
            value["visibility"] = "draft"
            self._ledger.remark(node, f"Some choices together would get other nodes than before: {HIDDEN}")
        default = node.at("default")
        if default is not None:
            why = "There is no default profile: the start page shows the last started profile first."
            self._ledger.lost(default, why)
        value |= self._base(base, options)
        if options:
            value["options"] = {option.key: option.value for option in options}
        return ImportedProfile(name, value, node, self._sources, base.sources, self._images)

    # -- words

    def _text(self, name: str, maximum: int, node: Node) -> str:
        source = node.at(name)
        if source is None or source.value is None or isinstance(source.value, Mapping | list):
            return ""
        original = source.value if isinstance(source.value, str) else source.text
        text = plain(original, maximum)
        if text == original.strip():
            self._ledger.carried(source)
        else:
            self._ledger.changed(source, f"Texts are plain, on one line and at most {maximum} characters long.")
        return text

    def _words(self) -> dict[str, Any]:
        title = self._text("display_name", 80, self._node) or plain(self._key, 80) or "Session"
        description = self._text("description", 300, self._node)
        words = {"title": title, "description": description} if description else {"title": title}
        return words | {"purpose": f"Imported from the values of the chart, where it was called {title}"}

    def _slug(self) -> str:
        slug = self._node.at("slug")
        if slug is None or not isinstance(slug.value, str):
            return self._key
        if self._names.free(slug.value, "profile") == slug.value:
            self._ledger.carried(slug)
        else:
            self._ledger.changed(slug, "Names have lower-case letters, digits and hyphens, and must not look alike.")
        return slug.value

    # -- who

    def _audience(self, node: Node) -> tuple[list[str], bool]:
        """Return the groups that may use it. False if the list is incomplete: then nobody may gain access."""
        groups: list[str] = []
        complete = True
        for name, listed in node.mapping.items():
            if not name.startswith("allowed_") or listed.value is None:
                continue
            if name not in _GROUPS or not listed.entries:
                self._ledger.lost(listed, "This is not a list of groups.")
                complete = False
                continue
            for entry in listed.entries:
                why = validation_error(Group, entry.value)
                if why or len(groups) >= MAXIMUM_GROUPS:
                    self._ledger.lost(entry, why or f"A profile or choice has at most {MAXIMUM_GROUPS} groups.")
                else:
                    groups.append(str(entry.value))
                    self._ledger.carried(entry)
            complete = complete and bool(groups)
        return list(dict.fromkeys(groups)), complete

    # -- options

    def _options(self, base: KubeSpawnerSettings) -> Iterator[_Option]:
        node = self._node.at("profile_options")
        if node is None:
            return
        used: set[str] = set()
        selected = False
        for key, source in node.mapping.items():
            if len(used) >= MAXIMUM_OPTIONS:
                self._ledger.lost(source, f"A profile has at most {MAXIMUM_OPTIONS} options.")
                continue
            option = self._option(key, source, used, base)
            if option is None:
                continue
            chooses = any(choice.settings.labels or choice.settings.tolerations for choice in option.choices)
            if chooses and selected:
                self._combined = True
                self._ledger.remark(source, "Two options choose nodes. The last one is used; they are not merged.")
            selected = selected or chooses
            yield option

    def _option(self, original_key: str, node: Node, used: set[str], base: KubeSpawnerSettings) -> _Option | None:
        title = self._text("display_name", 80, node) or plain(original_key, 80) or "Option"
        description = self._text("description", 300, node)
        self._unlisted(node.at("unlisted_choice"))
        listed = node.at("choices")
        choices: list[ImportedChoice] = []
        names: set[str] = set()
        for label, source in (listed.mapping if listed else {}).items():
            if not isinstance(source.value, Mapping):
                continue  # the sweep records it
            if len(choices) >= MAXIMUM_CHOICES:
                self._ledger.lost(source, f"An option has at most {MAXIMUM_CHOICES} choices.")
                continue
            choice = self._choice(label, source, names)
            if choice is not None:
                choices.append(choice)
        if not choices:
            if not node.is_empty:
                self._ledger.lost(node, "It has no choice that can be imported.")
            return None
        key = name_of(original_key, used, "option")
        used.add(key)
        self._sources[f"options.{key}"] = node
        default = self._default(node, choices)
        for choice in choices:
            self._sources[f"options.{key}.choices.{choice.key}"] = choice.node
            choice.value |= self._chosen(choice.settings, base)
        value: dict[str, Any] = {"title": title} | ({"description": description} if description else {})
        value |= {"default": default.key, "choices": {choice.key: choice.value for choice in choices}}
        return _Option(key, value, choices)

    def _choice(self, label: str, node: Node, names: set[str]) -> ImportedChoice | None:
        only, complete = self._audience(node)
        if not complete:
            self._ledger.lost(node, "Who may use it cannot be determined, so the choice is removed.")
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
        return ImportedChoice(key, node, settings, value)

    def _default(self, node: Node, choices: list[ImportedChoice]) -> ImportedChoice:
        defaults = [choice for choice in choices if (flag := choice.node.at("default")) and flag.value is True]
        for choice in choices:
            flag = choice.node.at("default")
            if flag is not None and flag.value in (True, False):
                self._ledger.carried(flag)
        default = defaults[0] if defaults else choices[0]
        for choice in defaults[1:]:
            self._ledger.remark(choice.node, "Another choice of the option is a default as well, and is used.")
        if "only" in default.value:
            for_all = [choice for choice in choices if "only" not in choice.value]
            if for_all:
                self._ledger.remark(
                    node, "The default choice is for some groups only: the first choice for all is used."
                )
                default = for_all[0]
        return default

    def _unlisted(self, node: Node | None) -> None:
        """Record an unlisted choice. The images that it accepts can be added to the envelope of the team."""
        if node is None or node.is_empty:
            return
        enabled = node.at("enabled")
        if enabled is None or enabled.value is not True:
            self._ledger.stays(node, "It is disabled: nothing is lost.")
            return
        override = node.at("kubespawner_override")
        image = (override.mapping.get("image") or override.mapping.get("image_spec")) if override else None
        pattern = _pattern(node.at("validation_regex"), image)
        why = "Users cannot type in an image, but can try a profile with it. A new choice is a proposal of one line"
        if pattern is None:
            self._ledger.lost(node, f"{why}.")
        else:
            self._images.append(pattern)
            self._ledger.changed(node, f"{why}, and {pattern} is in the envelope, so the leads of the team approve it.")

    def _chosen(self, settings: KubeSpawnerSettings, base: KubeSpawnerSettings) -> dict[str, Any]:
        """Return the values that a choice replaces."""
        value: dict[str, Any] = {}
        if settings.image:
            value["image"] = settings.image
        if settings.environment:
            value["environment"] = dict(settings.environment)
        app = self._app(settings)
        if app:
            value["app"] = app
        resources = cpu_and_memory(settings)
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
                self._ledger.remark(
                    self._node, f"The values name no image. The default of the chart is {image}: choose one."
                )
        app = self._app(base) or "jupyterlab"
        value: dict[str, Any] = {
            "app": app,
            "image": image,
            "resources": import_resources(self._node, base, choices, self._platform, self._ledger),
        }
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
            self._ledger.lost(settings.sources["app"], "A policy has at most twenty tools.")
        return app

    def _pool(self, settings: KubeSpawnerSettings, effective: KubeSpawnerSettings) -> str | None:
        """Return the node pool. If there is none, the settings of nodes are lost."""
        pool = self._platform.node_pool(effective)
        if pool is None:
            why = "A policy has at most twenty node pools." if effective.labels else "A node pool needs labels."
            for field_name, source in settings.sources.items():
                if field_name.startswith("labels.") or field_name == "tolerations":
                    self._ledger.lost(source, why)
        return pool


def _pattern(expression: Node | None, image: Node | None) -> str | None:
    """Return a pattern for the images that an unlisted choice accepts, from the fixed text at their beginning.

    The regular expression is not run: it is untrusted, and could take very long.
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
    if last and not (colon and name):
        return None  # the beginning of a name: its whole folder would be wider
    pattern = f"{folder}/{name}" if colon and name else f"{folder}/*"
    return pattern if validation_error(ImagePattern, pattern) is None else None
