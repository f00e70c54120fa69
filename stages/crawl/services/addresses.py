"""Pictures at plain addresses of the web, as some logs name them (Amazon's imUrl, Pinterest's im_url)."""

import re
from typing import Literal

from stages.crawl.fetcher import Fetcher
from stages.crawl.request_settings import Abroad
from stages.crawl.services.service import NOT_ASKED, Found, Service, State


class AddressesSettings(Abroad):
    """Nothing of its own; `rate` holds for each host."""

    service: Literal["addresses"] = "addresses"


class Addresses(Service):
    """Asks for each address as it stands, of public hosts alone."""

    name, by = "addresses", "address"
    form, form_name = re.compile(r"(?s).{1,4096}"), "of 4096 characters at most"

    def __init__(self, settings: AddressesSettings, fetcher: Fetcher) -> None:
        super().__init__(fetcher)
        self.settings = settings

    def find(self, own: str, picture: bool) -> Found:
        """The picture at `own`; there are no words."""
        state, place = self.picture("picture", own, self.fetcher.follow) if picture else (NOT_ASKED, "")
        return Found(self.name, State("missing", "an address has no words"), state, address=place)
