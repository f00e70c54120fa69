"""What is let in: bodies of a bounded size; and what every answer says about itself."""

import json
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY = 1_000_000  # bytes
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


class Limits:
    """Around an application: a body is read before it, and refused once it is too large, whatever length it claims."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *encoded(HEADERS.items())]
            await send(message)

        messages, taken = [await receive()], 0
        while messages[-1]["type"] == "http.request":
            taken += len(messages[-1].get("body", b""))
            if taken > BODY:
                await refuse(told)
                return
            if not messages[-1].get("more_body"):
                break
            messages.append(await receive())

        async def read() -> Message:
            return messages.pop(0) if messages else await receive()

        await self.app(scope, read, told)


async def refuse(send: Send) -> None:
    """Say that a body is too large, and that the connection ends."""
    body = json.dumps({"error": f"the body has more than {BODY:,} bytes", "nearest": []}).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body)), "connection": "close"}
    await send({"type": "http.response.start", "status": 413, "headers": encoded(headers.items())})
    await send({"type": "http.response.body", "body": body})


def encoded(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Headers as ASGI has them."""
    return [(name.encode(), value.encode()) for name, value in headers]
