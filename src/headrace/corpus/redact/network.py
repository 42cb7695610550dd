"""Where somebody is reached on a network: mail addresses, passwords in URLs, IP and MAC addresses."""

import re

from headrace.corpus.redact.checksums import is_ip_v4, is_ip_v6
from headrace.corpus.redact.clues import ADDRESS, AT
from headrace.corpus.redact.config import RedactConfig
from headrace.corpus.redact.detector import Detector, Span, compact, follows, labels, whole

_COMMON_DOMAINS = "com|net|org|edu|gov|cn|io|co|uk|de|fr|jp|hk|tw|us|info|me|eu"
_LOCAL = r"[A-Za-z0-9](?:[A-Za-z0-9._%+'-]{0,62}[A-Za-z0-9_%+-])?"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"

EMAIL = re.compile(rf"(?<![A-Za-z0-9._%+-]){_LOCAL}@(?:{_LABEL}\.)+[A-Za-z]{{2,24}}(?![A-Za-z0-9]|-[A-Za-z0-9])")
SPACED_EMAIL = re.compile(
    rf"(?<![A-Za-z0-9._%+-]){_LOCAL} ?@ ?(?:{_LABEL} ?\. ?)+(?:{_COMMON_DOMAINS})(?![A-Za-z0-9])", re.IGNORECASE
)
URL_PASSWORD = re.compile(
    r"(?<![A-Za-z0-9])[A-Za-z][A-Za-z0-9+.-]{1,20}://(?P<value>[!-.0-9;-?A-~]{0,64}:[!-.0-?A-~]{1,128})@"
)
IP_V4 = re.compile(
    r"(?<![0-9A-Za-z])(?<![0-9][-_.])(?<![A-Za-z][-_/])(?:(?:0|[1-9]\d{0,2})\.){3}(?:0|[1-9]\d{0,2})(?![0-9A-Za-z]|[_-][0-9A-Za-z]|\.\d)"
)
IP_V6 = re.compile(
    r"(?<![0-9A-Za-z.])(?<![^0-9A-Za-z][0-9A-Fa-f]:)[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]{1,38}(?<!:)(?![0-9A-Za-z])"
)
MAC = re.compile(
    r"(?<![0-9A-Za-z])(?<![^0-9A-Za-z][0-9A-Fa-f]{2}[:-])"
    r"(?:[0-9A-Fa-f]{2}(?P<mark>[:-])(?:[0-9A-Fa-f]{2}(?P=mark)){4}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4})"
    r"(?![0-9A-Za-z]|[:.-][0-9A-Fa-f])"
)
_SPACED = re.compile(r" ?@ |@\S{1,255} ?\. ")
_FILE_ENDINGS = ("png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js", "json", "html", "htm", "xml", "txt", "pdf")
_VERSION = labels(
    r"(?<![a-z])(?:version|ver|v|release|section|sect?|chapter|build|firmware|driver|oid|rev|kernel|table|figure|clause)",
    "版本|章节|第|版|固件|驱动|表|图",
)
_ADDRESS = labels(r"(?<![a-z])(?:ip|ipv4|host|server|dns|address|ping)", "地址|主机|服务器")
_MAC_FILLERS = ("000000000000", "ffffffffffff")


def _judge_email(match: re.Match[str], _: RedactConfig) -> Span | None:
    """A picture called logo@2x.png is no address."""
    return None if match[0].lower().endswith(tuple(f".{ending}" for ending in _FILE_ENDINGS)) else match.span()


def _judge_ip_v4(match: re.Match[str], config: RedactConfig) -> Span | None:
    if follows(match, _VERSION):
        return None
    return (
        match.span()
        if is_ip_v4(match[0], private=config.private_addresses, labelled=follows(match, _ADDRESS))
        else None
    )


def _judge_ip_v6(match: re.Match[str], config: RedactConfig) -> Span | None:
    return match.span() if match[0].count(":") > 1 and is_ip_v6(match[0], private=config.private_addresses) else None


def _judge_mac(match: re.Match[str], _: RedactConfig) -> Span | None:
    """Three groups of four must have a letter and a digit: 1234.5678.9012 is a number."""
    value = compact(match[0]).lower()
    is_mixed = any(map(str.isdigit, value)) and any(map(str.isalpha, value))
    return None if value in _MAC_FILLERS or (match["mark"] is None and not is_mixed) else match.span()


DETECTORS = (
    Detector("url_password", AT, URL_PASSWORD, whole),
    Detector("email", AT, EMAIL, _judge_email),
    Detector("email", AT, SPACED_EMAIL, _judge_email, hint=_SPACED),
    Detector("ip", ADDRESS, IP_V4, _judge_ip_v4),
    Detector("ip", ADDRESS, IP_V6, _judge_ip_v6),
    Detector("mac", ADDRESS, MAC, _judge_mac),
)
