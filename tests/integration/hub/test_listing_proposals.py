"""The list of proposals over the API: by state and by proposer."""

from support.fakes.platform import NOTEBOOK
from support.fakes.web_service import WebService

BODY = {
    "team": "housing",
    "name": "notebook",
    "content": NOTEBOOK.replace(b"4 GiB", b"8 GiB").decode(),
    "reason": "More",
}


async def test_a_program_lists_the_proposals_of_one_user_alone(service: WebService) -> None:
    for who, name in (("ana", "notebook"), ("lena", "other")):
        made = await service.program(who).post("api/v1/proposals", json=BODY | {"name": name})
        assert made.status_code == 201, made.text

    async def listed(**query: str) -> list[str]:
        answer = await service.program("ana").get("api/v1/proposals", params=query)
        return [each["proposer"] for each in answer.json()["proposals"]]

    assert await listed() == ["lena", "ana"]
    assert await listed(proposer="ana") == ["ana"]
    assert await listed(proposer="ana", state="merged") == []
    assert await listed(proposer="nobody' OR 1=1") == []
