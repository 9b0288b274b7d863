"""Valid files that are made to be expensive to check."""

from typing import Any

from support.repositories import profile

LETTERS = "abcdefghijklmnopqrst"


def costly_profile(title: str) -> dict[str, Any]:
    """Give a profile with as many options and choices as one may have, each with as many keys as fit."""

    def resources(place: int, at: int) -> dict[str, Any]:
        amounts = {
            "cpu": {"limit": 1 + (20 * place + at) / 100, "guarantee": 0.1},
            "memory": {"limit": f"{1024 + 20 * place + at} MiB", "guarantee": f"{300 + at} MiB"},
            "gpu": 0,
        }
        return {key: value for number, (key, value) in enumerate(amounts.items()) if (at + place) >> number & 1}

    options = {
        f"option-{LETTERS[place]}": {
            "title": "Option",
            "default": "choice-a",
            "choices": {
                f"choice-{name}": {
                    "title": "Choice",
                    "description": "One of many",
                    "resources": resources(place, at),
                    "image": f"quay.io/jupyter/scipy-notebook:{at}",
                    "environment": {"COLOUR": name},
                }
                for at, name in enumerate(LETTERS)
            },
        }
        for place in range(8)
    }
    return profile(title=title, image="quay.io/jupyter/scipy-notebook:1", options=options)
