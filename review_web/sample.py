"""A sample question, asked by Assent itself, for who wants to see a card before an agent has asked anything."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from review_web.sessions import require_deciding_role
from review_web.site_context import Site
from store.questions import AskApproval, Evidence, Risk

AGENT = "sample"
QUESTION = AskApproval(
    title="May I water the plants?",
    description="All **seven** pots on the balcony, with about two litres.",
    context="The soil was dry this morning, and no rain is forecast before Thursday.",
    evidence=(Evidence(label="Soil moisture", text="12 % (below 20 % is dry)"),),
    risk=Risk.LOW,
    workflow="Sample",
    timeout_seconds=3600,
)


def routes(site: Site) -> list[BaseRoute]:
    """`POST /sample`: to the sample's card, which is open for an hour and whose answer does nothing."""

    async def sample(request: Request) -> Response:
        require_deciding_role(request)
        agent = await site.agents.enrol(AGENT)
        ticket = await site.desk.ask(agent, QUESTION)
        return RedirectResponse(f"/requests/{ticket.request_id}", 303)

    return [Route("/sample", sample, methods=["POST"], name="sample")]
