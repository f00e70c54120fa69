import requests
from urllib3.exceptions import LocationParseError, ProtocolError

from stages.crawl.failures import CrawlStopped, RequestFailed, TransientFailure, failure, printable


def test_control_characters_are_escaped() -> None:
    assert printable("a\x1b[31m\r\n\x07\u202e\x00é") == r"a\x1b[31m\r\n\x07\u202e\x00é"
    assert str(CrawlStopped("no\x1b")) == r"no\x1b"
    assert RequestFailed("no\x1b").reason == r"no\x1b"
    assert len(TransientFailure("x" * 1000).reason) == 120


def test_errors_of_libraries_are_said_without_their_words() -> None:
    secret = "http://x/?api_key=secret"
    for error, kind, reason in (
        (LocationParseError(secret), RequestFailed, "not a web address"),
        (UnicodeError(secret), RequestFailed, "not a web address"),
        (ProtocolError(secret), TransientFailure, "cut answer"),
        (requests.ReadTimeout(secret), TransientFailure, "no answer in time"),
        (requests.exceptions.SSLError(secret), TransientFailure, "no trusted connection"),
        (OSError(secret), TransientFailure, "OSError"),
        (KeyError(secret), RequestFailed, "unreadable answer (KeyError)"),
    ):
        found = failure(error)
        assert (type(found), found.reason) == (kind, reason)
