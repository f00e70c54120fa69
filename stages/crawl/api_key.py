"""A service's key: read from the environment, shown to the service alone."""

import logging
import os
import re
from urllib.parse import quote

from requests import PreparedRequest
from requests.auth import AuthBase

from stages.crawl.failures import CrawlStopped

_WHOLE = re.compile(r"[A-Za-z0-9._~+/=-]+")
_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
_ADDRESSES = logging.getLogger("urllib3.connectionpool")  # logs whole addresses at some level


class ApiKey(AuthBase, logging.Filter):
    """Signs requests: with any key as the query parameter `parameter`, with a JSON web token as a bearer header.

    Without a parameter every key is a bearer. The HTTP statuses in `refusals` are about the key and not about what was
    asked for. The key is read when first needed, so that a finished crawl can be read again without one. As a logging
    filter it takes itself out of the lines of urllib3.
    """

    refusals: tuple[int, ...] = (401, 403)

    def __init__(self, service: str, variable: str, parameter: str = "") -> None:
        logging.Filter.__init__(self)
        self.service, self.variable, self.parameter = service, variable, parameter
        _ADDRESSES.addFilter(self)

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        secret = self._read()
        if not _WHOLE.fullmatch(secret):
            raise CrawlStopped(
                f"{self.service} wants a key, and the environment variable {self.variable} "
                f"{'holds characters that no key has' if secret else 'is not set'}; {self._advice()}"
            )
        if not self.parameter or _JWT.fullmatch(secret):
            request.headers["Authorization"] = f"Bearer {secret}"
        else:
            request.prepare_url(request.url, {self.parameter: secret})
        return request

    def rejection(self, status: int, body: bytes) -> CrawlStopped:
        """What to say when the service does not take the key."""
        said = self.redacted(body.decode("utf-8", "replace"))[:200]
        return CrawlStopped(
            f"{self.service} refuses the key in the environment variable {self.variable} "
            f"(HTTP {status}: {said!r}); {self._advice()}"
        )

    def redacted(self, text: str) -> str:
        """`text` without the key."""
        secret = self._read()
        return text.replace(secret, "***").replace(quote(secret, safe=""), "***") if secret else text

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every line pass, less the key."""
        record.msg, record.args = self.redacted(record.getMessage()), ()
        return True

    def close(self) -> None:
        """Leave the logger."""
        _ADDRESSES.removeFilter(self)

    def _read(self) -> str:
        return os.environ.get(self.variable, "").strip()

    def _advice(self) -> str:
        return f"set {self.variable} to your key and run again (what was answered before is kept)"
