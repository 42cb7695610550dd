"""What opens doors: keys and tokens that services give out, private keys, labelled secrets, and names in messengers."""

import re

from headrace.corpus.redact.clues import KEY, LABEL
from headrace.corpus.redact.config import RedactConfig
from headrace.corpus.redact.detector import Detector, Span, whole

_STANDS_ALONE = r"(?<![0-9A-Za-z])"
_ENDS = r"(?![0-9A-Za-z])"

API_KEY = re.compile(
    _STANDS_ALONE + r"(?:(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}"  # AWS
    r"|gh[pousr]_[0-9A-Za-z]{36,255}|github_pat_[0-9A-Za-z_]{22,255}|glpat-[0-9A-Za-z_-]{20,}"  # GitHub, GitLab
    r"|xox[abeoprs]-[0-9A-Za-z-]{10,}|hooks\.slack\.com/services/[0-9A-Za-z/]{30,}"  # Slack
    r"|AIza[0-9A-Za-z_-]{35}|ya29\.[0-9A-Za-z_-]{20,}"  # Google
    r"|[sr]k_(?:live|test)_[0-9A-Za-z]{16,}|hf_[0-9A-Za-z]{30,}|npm_[0-9A-Za-z]{36}"  # Stripe, Hugging Face, npm
    r"|eyJ[0-9A-Za-z_-]{8,}\.eyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{8,})" + _ENDS  # JSON web token
)
SK_KEY = re.compile(_STANDS_ALONE + r"sk-(?:[a-z]{2,6}[0-9]{0,2}-){0,2}[0-9A-Za-z_-]{20,}" + _ENDS)
PRIVATE_KEY = re.compile(
    r"-----BEGIN (?:[0-9A-Z]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[\s\S]{1,16000}?-----END (?:[0-9A-Z]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"|(?:\s*[0-9A-Za-z+/=]{16,})+)"
)
SECRET = re.compile(
    r"(?P<label>passw(?:or)?d|passphrase|pwd|secret|token|api[_ -]?key"
    r"|access[_ -]?key|auth[_ -]?key|密码|密碼|口令|密钥|密鑰|令牌)"
    r"(?:[_ -]?key|是|为|為)?[\"'`]?\s{0,2}[:=]>?\s{0,2}(?P<quote>[\"'`]?)(?P<value>[!#-&(-~]{6,512}?)"
    r"(?:(?P=quote)(?=[\s\"'`,;)}<]|$|[^!-~]))",
    re.IGNORECASE,
)
QQ = re.compile(
    r"(?:(?<![A-Za-z])qq|扣扣)(?:群|号码|号|账号|帐号|number|no\.?|id| )*(?P<mark>[: ]|是|为|is|=)*"
    r"(?P<value>[1-9]\d{4,10})(?![0-9A-Za-z]|[.-]\d)",
    re.IGNORECASE,
)
WECHAT = re.compile(
    r"(?:微信|薇信|(?<![a-z])(?:we-?chat|weixin|vx|wx|v信))(?P<mark>号码|号|账号|帐号|id|:|是|为|is|=| )+"
    r"(?P<value>[a-z][a-z0-9_-]{5,19}|1[3-9]\d{9})(?![0-9a-z_.@(-])",
    re.IGNORECASE,
)

LONGEST_SECRET = 4096

_RANDOM = re.compile(r"(?=(?:\D*\d){2})(?=[^A-Za-z]*[A-Za-z])[0-9A-Za-z+/_=-]{16,}")
_HUMAN = re.compile(r"(?=\D*\d)(?=[^A-Za-z]*[A-Za-z])[^(){}\[\]<>$\\]{6,64}")
_PASSWORD = re.compile(r"passw|pwd|passphrase|密|口令", re.IGNORECASE)
_IDENTIFIER = re.compile(r"[a-z_]+(?:\.[a-z_0-9]+)*[0-9]?|[A-Z_]+[0-9]?|[a-z]+(?:[A-Z][a-z0-9]+)+|https?:.*")


def _judge_sk_key(match: re.Match[str], _: RedactConfig) -> Span | None:
    """Keys have a long run with letters and digits; class names of style sheets have words."""
    is_random = re.search(r"(?=[a-zA-Z]*\d)(?=\d*[a-zA-Z])[0-9A-Za-z]{16}", match[0])
    return match.span() if is_random else None


def _judge_secret(match: re.Match[str], _: RedactConfig) -> Span | None:
    """Any secret may be random letters and digits; a password may be what a person makes up; code is neither."""
    value = match["value"]
    if len(value) > LONGEST_SECRET:  # the expressions below take time that grows with the square of the length
        return None
    is_human = _PASSWORD.match(match["label"]) is not None and _HUMAN.fullmatch(value) is not None
    if _IDENTIFIER.fullmatch(value) or not (is_human or _RANDOM.fullmatch(value)):
        return None
    return match.span("value")


def _judge_wechat(match: re.Match[str], _: RedactConfig) -> Span | None:
    """A word without a digit is a name only behind a colon: "WeChat is available" names nobody."""
    return match.span("value") if re.search(r"[0-9_]", match["value"]) or match["mark"] in ":=" else None


DETECTORS = (
    Detector("private_key", KEY, PRIVATE_KEY, whole),
    Detector("api_key", KEY, API_KEY, whole),
    Detector("api_key", KEY, SK_KEY, _judge_sk_key),
    Detector("secret", LABEL, SECRET, _judge_secret),
    Detector("messenger", LABEL, QQ, whole),
    Detector("messenger", LABEL, WECHAT, _judge_wechat),
)
