"""One record in our own columns, checked: what a kind of examples needs is there and means something."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from headrace.examples.kinds import Kind

ROLES = ("system", "user", "assistant", "tool")
TAG = re.compile(r"O|[BIESLU]-\S.*")
AS_BIO = {"E": "I", "L": "I", "S": "B", "U": "B"}
"""What the letters of BIOES and BILOU are in BIO."""

Fields = Mapping[str, Any]
Example = dict[str, Any]


def standard_example(kind: Kind, fields: Fields) -> Example:
    """The columns of a kind. Raises ValueError, one sentence without its place, if one is missing or no such thing."""
    return _MAKERS[kind](fields)


def label_text(value: object) -> str:
    """A label as text: whole numbers as digits, truth values as `true` and `false`. Raises ValueError for others."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise ValueError(f"got {_shown(value)} as a label, wanted text, a whole number, true or false.")


def _classify(fields: Fields) -> Example:
    return {**_text_and_pair(fields), "label": label_text(_need(fields, "label"))}


def _classify_many(fields: Fields) -> Example:
    labels = {label_text(label) for label in _list(fields, "labels")}
    return {**_text_and_pair(fields), "labels": sorted(labels)}


def _text_and_pair(fields: Fields) -> Example:
    pair = _text(fields, "text_pair") if fields.get("text_pair") else None
    return {"text": _text(fields, "text"), "text_pair": pair}


def _tag(fields: Fields) -> Example:
    tokens, tags = _list(fields, "tokens"), _list(fields, "tags")
    if len(tokens) != len(tags) or not tokens:
        raise ValueError(f"{len(tokens):,} tokens and {len(tags):,} tags, wanted as many of each, and some.")
    if odd := next((token for token in tokens if not isinstance(token, str) or not token.strip()), None):
        raise ValueError(f"got {_shown(odd)} as a token, wanted text.")
    return {"tokens": tokens, "tags": [_bio(tag) for tag in tags]}


def _bio(tag: object) -> str:
    if not isinstance(tag, str) or not TAG.fullmatch(tag):
        raise ValueError(f"got {_shown(tag)} as a tag, wanted O, B-NAME or I-NAME.")
    return tag if tag == "O" else AS_BIO.get(tag[0], tag[0]) + tag[1:]


def _seq2seq(fields: Fields) -> Example:
    return {"source": _text(fields, "source"), "target": _text(fields, "target")}


def _instruct(fields: Fields) -> Example:
    if fields.get("messages") is None:
        prompt, answer = _text(fields, "prompt"), _text(fields, "answer")
        return {"messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]}
    messages = [_message(message) for message in _list(fields, "messages")]
    roles = [message["role"] for message in messages]
    if "assistant" not in roles or roles[0] == "assistant":
        raise ValueError(
            f"messages: the roles are {', '.join(roles) or 'none'}, wanted a user's message and an assistant's answer."
        )
    return {"messages": messages}


def _message(message: object) -> dict[str, str]:
    if not isinstance(message, dict) or not {"role", "content"} <= message.keys():
        raise ValueError(f"got {_shown(message)} as a message, wanted {{role: ..., content: ...}}.")
    if message["role"] not in ROLES:
        raise ValueError(f"got the role {_shown(message['role'])}, wanted one of {', '.join(ROLES)}.")
    if not isinstance(message["content"], str):
        raise ValueError(f"got {_shown(message['content'])} as the content of a message, wanted text.")
    return {"role": message["role"], "content": message["content"]}


def _prefer(fields: Fields) -> Example:
    return {name: _text(fields, name) for name in ("prompt", "chosen", "rejected")}


def _text(fields: Fields, name: str) -> str:
    value = _need(fields, name)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name}: got {_shown(value)}, wanted text.")
    return value


def _list(fields: Fields, name: str) -> list[Any]:
    """A list, which files of fields hold as JSON."""
    value = _need(fields, name)
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise ValueError(f'{name}: got {_shown(value)}, wanted a JSON list such as ["a", "b"].') from error
    if not isinstance(value, list):
        raise ValueError(f"{name}: got {_shown(value)}, wanted a list.")
    return value


def _need(fields: Fields, name: str) -> Any:
    if fields.get(name) is None:
        raise ValueError(f"no {name}; it has {', '.join(key for key, value in fields.items() if value is not None)}.")
    return fields[name]


def _shown(value: object) -> str:
    """The beginning of a value, safe to print."""
    return ascii(value) if len(ascii(value)) <= 60 else ascii(value)[:60] + "..."


_MAKERS: dict[Kind, Callable[[Fields], Example]] = {
    "classify": _classify,
    "classify_many": _classify_many,
    "tag": _tag,
    "seq2seq": _seq2seq,
    "instruct": _instruct,
    "prefer": _prefer,
}
