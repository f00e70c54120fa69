"""Pictures at plain addresses of the web, as some logs name them (Amazon's imUrl, Pinterest's im_url)."""

from typing import Literal

from pydantic import Field

from stages.crawl.request_settings import WebPictureSettings
from stages.crawl.services.item_content import NOT_ASKED, ItemContent, Status
from stages.crawl.services.service import Service

_LONGEST = 4096


class AddressesSettings(WebPictureSettings):
    """Settings of plain addresses."""

    service: Literal["addresses"] = Field(default="addresses", description="which service this is")
    rate: float = Field(default=10, gt=0, le=1000, description="calls a second to each host at most")
    retries: int = Field(default=3, ge=0, le=20, description="further tries after a passing failure")
    failed: float = Field(
        default=0.05, ge=0, le=1, description="share of the items that may fail before the crawl stops; one always may"
    )
    not_found: float = Field(
        default=0.5, ge=0, le=1, description="share of the addresses that may lead nowhere without a warning"
    )


class Addresses(Service):
    """Asks for each address as it stands, of public hosts alone."""

    name, id_name, id_form = "addresses", "address", f"of {_LONGEST} characters at most"

    @staticmethod
    def canonical_id(raw: str) -> str | None:
        """The address as it stands."""
        return raw if len(raw) <= _LONGEST else None

    def find(self, known: str, picture: bool) -> ItemContent:
        """The picture at the address `known`; there is no text."""
        status, place = self.picture("picture", known) if picture else (NOT_ASKED, "")
        return ItemContent(self.name, Status("missing", "an address has no words"), status, picture_address=place)
