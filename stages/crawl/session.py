"""Sessions of requests that do nothing by themselves."""

from http.cookiejar import DefaultCookiePolicy

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase


class Unsigned(AuthBase):
    """Signs nothing, and keeps requests from looking for a password in ~/.netrc."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """The request as it is."""
        return request


class Session(requests.Session):
    """Keeps no cookies, and leaves redirects alone: requests reads their bodies whole, without any limit."""

    def __init__(self, adapter: HTTPAdapter) -> None:
        super().__init__()
        self.headers["User-Agent"] = "whyrec"
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            self.mount(scheme, adapter)

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: this session has no redirects."""
