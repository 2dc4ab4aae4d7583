import httpx
from litestar import Litestar

from rtcdp.intake.problem import REFUSALS


async def documented(app: Litestar, client: httpx.AsyncClient, path: str) -> dict:
    async with app.lifespan():
        document = (await client.get("/schema/openapi.json")).json()
    assert set(document["paths"][path]) == {"post"}
    return document["paths"][path]["post"]


async def test_both_routes_are_in_the_openapi_document(app, client) -> None:
    events = await documented(app, client, "/v1/events")
    history = await documented(app, client, "/v1/import")
    assert events["operationId"] != history["operationId"]


async def test_every_answer_is_described(app, client) -> None:
    responses = (await documented(app, client, "/v1/events"))["responses"]
    assert set(responses) == {"200", *(str(status) for status, _ in REFUSALS.values())}
    assert "Retry-After" in responses["503"]["headers"]
