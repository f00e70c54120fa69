"""Which services are asked, in which order: the dataset's `crawl` section."""

from collections.abc import Callable
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from engine.tables.settings import Record
from stages.crawl.api_key import Key
from stages.crawl.fetcher import Fetcher
from stages.crawl.services import addresses, omdb, pinterest, tmdb
from stages.crawl.services.service import Service


class Given(Record):
    """No service: the texts and pictures that came with the raw logs, as they are."""

    service: Literal["none"]


_Any = tmdb.Settings | omdb.Settings | pinterest.Settings | addresses.Settings
One = Annotated[_Any, Field(discriminator="service")]


class Several(Record):
    """Services by a name of one's own, and the `order` in which they are asked: each for what is lacking yet.

    Those that are not in the order are not asked; with none in it, what was given stays as it is.
    """

    service: Literal["several"]
    order: tuple[str, ...]
    services: dict[str, One]

    @model_validator(mode="after")
    def _known(self) -> Self:
        if unknown := sorted(set(self.order) - set(self.services)):
            raise ValueError(f"order: {unknown} are not among the services {sorted(self.services)}")
        if len(set(self.order)) < len(self.order):
            raise ValueError(f"order: {list(self.order)} names a service twice")
        return self


class Params(Record):
    """The dataset's `crawl` section; its `service` says which keys it has."""

    crawl: Annotated[Given | Several | _Any, Field(discriminator="service")]


def ordered(params: Params) -> dict[str, One]:
    """The settings of the services to ask, by name, in order."""
    match params.crawl:
        case Given():
            return {}
        case Several(order=order, services=services):
            return {name: services[name] for name in order}
        case one:
            return {one.service: one}


def key(settings: One) -> Key | None:
    """What signs the requests of a service."""
    makers: dict[str, Callable[[], Key]] = {"tmdb": tmdb.key, "omdb": omdb.key, "pinterest": pinterest.key}
    return makers[settings.service]() if settings.service in makers else None


def opened(settings: One, fetcher: Fetcher) -> Service:
    """The service itself."""
    match settings:
        case tmdb.Settings():
            return tmdb.Tmdb(settings, fetcher)
        case omdb.Settings():
            return omdb.Omdb(settings, fetcher)
        case pinterest.Settings():
            return pinterest.Pinterest(settings, fetcher)
        case addresses.Settings():
            return addresses.Addresses(settings, fetcher)
