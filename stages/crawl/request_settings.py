"""How a service is asked: the settings that several services share."""

from typing import Annotated

from pydantic import Field

from engine.tables.settings import Record

Address = Annotated[str, Field(pattern=r"^https?://[^\s?#@]+$", description="address of the service's API")]


class RequestSettings(Record):
    """The settings of every service; its own Settings extend them."""

    rate: float = Field(default=10, gt=0, le=1000, description="calls a second at most; pictures do not count")
    workers: int = Field(default=4, ge=1, le=64, description="requests at the same time")
    timeout: float = Field(default=20, gt=0, le=600, description="seconds to connect, and without a byte")
    deadline: float = Field(default=60, gt=0, le=3600, description="seconds for one try, redirects included")
    retries: int = Field(default=6, ge=0, le=20, description="further tries after a passing failure")
    backoff: float = Field(
        default=0.5,
        ge=0,
        le=60,
        description="seconds before the second further try; twice as many before each next one (the first comes at "
        "once). Retry-After goes before it",
    )
    longest_wait: float = Field(
        default=120, ge=0, le=86400, description="seconds that Retry-After may ask for; longer stops the crawl"
    )
    megabytes: float = Field(default=10, gt=0, le=50, description="size of an answer at most, unpacked")
    failed: float = Field(
        default=0.02, ge=0, le=1, description="share of the items that may fail before the crawl stops; one always may"
    )
    not_found: float = Field(
        default=0.2, ge=0, le=1, description="share of the asked items that may be unknown to it without a warning"
    )


class ApiSettings(RequestSettings):
    """Of a service with an address of its own."""

    base: Address


class WebPictureSettings(RequestSettings):
    """Of a service whose pictures lie anywhere in the web."""

    redirects: int = Field(default=3, ge=0, le=3, description="redirects that are followed")
    allowed: str = Field(
        default="", description="private hosts that may be asked, by name, with spaces between; empty: none"
    )
