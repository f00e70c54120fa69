"""Which services a data set asks, in which order, and with which settings."""

from collections.abc import Callable
from typing import Any

from pydantic import Field, ValidationInfo, field_validator

from engine.tables.settings import Record, checked
from stages.crawl.api_key import ApiKey
from stages.crawl.fetcher import Fetcher
from stages.crawl.services.addresses import Addresses, AddressesSettings
from stages.crawl.services.omdb import Omdb, OmdbKey, OmdbSettings
from stages.crawl.services.pinterest import Pinterest, PinterestKey, PinterestSettings
from stages.crawl.services.service import Service
from stages.crawl.services.tmdb import Tmdb, TmdbKey, TmdbSettings

Settings = TmdbSettings | OmdbSettings | PinterestSettings | AddressesSettings


class Services(Record):
    """The section `services`: how each service is asked, for all data sets."""

    tmdb: TmdbSettings = Field(default=TmdbSettings(), description="The Movie Database: overviews, posters and stills")
    omdb: OmdbSettings = Field(default=OmdbSettings(), description="The Open Movie Database: plots and posters")
    pinterest: PinterestSettings = Field(
        default=PinterestSettings(), description="Pinterest: the words and the picture of a pin"
    )
    addresses: AddressesSettings = Field(
        default=AddressesSettings(), description="pictures at plain addresses of the web"
    )


class Crawl(Record):
    """A data set's section `crawl`."""

    services: tuple[str, ...] = Field(
        description="the services to ask, the preferred one first; an empty list asks none and keeps what was given"
    )
    differs: dict[str, dict[str, Any]] = Field(
        default={},
        description="settings of a service that differ for this data set, by the service's name; under a new name with "
        "`service: tmdb` among them, a second use of that service",
    )


class Params(Record):
    """What the stage reads."""

    services: Services
    crawl: Crawl

    @field_validator("crawl")
    @classmethod
    def _every_setting_is_good(cls, crawl: Crawl, others: ValidationInfo) -> Crawl:
        if "services" in others.data:
            _settings(crawl, others.data["services"])
        return crawl


def chosen_services(params: Params) -> dict[str, Settings]:
    """The settings of the services to ask, by name, in order."""
    found = _settings(params.crawl, params.services)
    return {name: found[name] for name in params.crawl.services}


def _settings(crawl: Crawl, services: Services) -> dict[str, Settings]:
    if len(set(crawl.services)) < len(crawl.services):
        raise ValueError(f"{list(crawl.services)} names a service twice")
    found: dict[str, Settings] = {}
    for name in (*crawl.services, *crawl.differs):
        differs = crawl.differs.get(name, {})
        service = differs.get("service", name)
        if service not in Services.model_fields:
            raise ValueError(
                f"{service!r} is no service; there are {list(Services.model_fields)}, and any other name needs "
                f"`service` under differs.{name} to be one of them"
            )
        general = getattr(services, service)
        found[name] = checked(type(general), general.model_dump() | differs, f"differs.{name}")
    return found


def api_key(settings: Settings) -> ApiKey | None:
    """What signs the requests of a service."""
    makers: dict[str, Callable[[], ApiKey]] = {"tmdb": TmdbKey, "omdb": OmdbKey, "pinterest": PinterestKey}
    return makers[settings.service]() if settings.service in makers else None


def open_service(settings: Settings, fetcher: Fetcher) -> Service:
    """The service itself."""
    match settings:
        case TmdbSettings():
            return Tmdb(settings, fetcher)
        case OmdbSettings():
            return Omdb(settings, fetcher)
        case PinterestSettings():
            return Pinterest(settings, fetcher)
        case AddressesSettings():
            return Addresses(fetcher)
