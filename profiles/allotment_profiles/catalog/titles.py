"""Advice about profiles of one team that have the same title, so that nobody can tell them apart. Pure."""

import re
from collections.abc import Callable, Iterable, Iterator

from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.documents.source_map import SourceMap
from allotment_profiles.model.problems import Problem


def equal_titles(catalog: Catalog, profile_ids: Iterable[str], is_listed: Callable[[str], bool]) -> Iterator[Problem]:
    """Yield an advice for each profile whose title another one of its team has, among those that are listed."""
    for profile_id in profile_ids:
        entry = catalog.profiles.get(profile_id)
        if entry is None:
            continue
        others = (each for each in catalog.profiles_of(profile_id.partition("/")[0]) if each != profile_id)
        title = entry.value.title
        # The models of a large team are not read for this: only those whose text has such a line.
        line_of = re.compile(rf"""^title:[ ]*["']?{re.escape(title)}["']?[ ]*(#.*)?\r?$""".encode(), re.MULTILINE)
        like = (each for each in others if line_of.search(catalog.profiles[each].source))
        same = next((each for each in like if catalog.profiles[each].value.title == title and is_listed(each)), "")
        if same:
            message = f"The profile {same} of the same team has this title, too."
            remedy = "Choose a title that tells them apart on the start page."
            line, column = SourceMap(entry.source).of_field("title")
            yield Problem(entry.path, "title-twice", message, remedy, "title", line, column, "advice")
