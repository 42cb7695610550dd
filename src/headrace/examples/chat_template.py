"""Chat templates: Jinja that somebody else wrote, rendered in a sandbox, with where the answers lie in what it gives.

A template is code of strangers: it sees messages and a few names, no attribute of Python's internals, and can change
nothing. Loops are bounded by the sandbox one by one, not together: a hostile template can still take time.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import CallBlock, Node
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from tokenizers import Tokenizer

from headrace.errors import InputError

Message = Mapping[str, Any]
Place = tuple[int, int]

ANSWER, ANSWER_END, APART = "\ufdd0", "\ufdd1", "\ufdd2"
"""Code points that no text may hold: around what a template says is an answer, and inside a special token's name that
somebody wrote into a message."""

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
PLAIN = (
    "{% for message in messages %}{{ message['role'] + ':\\n' + message['content'] + eos_token + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant:\\n' }}{% endif %}"
)

FAULTS = (jinja2.TemplateError, TypeError, ValueError, LookupError, ArithmeticError, AttributeError, RecursionError)
"""What expressions of a template can raise."""


def default_template(tokenizer: Tokenizer) -> str:
    """The template for a model that has none: ChatML if the vocabulary has its tokens, else roles as words."""
    has_tokens = all(tokenizer.token_to_id(name) is not None for name in ("<|im_start|>", "<|im_end|>"))
    return CHATML if has_tokens else PLAIN


@dataclass(frozen=True)
class Rendered:
    """A conversation as text."""

    pieces: list[str]
    """Text, special token, text, special token, ..., text: what the template itself wrote as special tokens."""
    answers: list[Place]
    """Where answers lie in all pieces end to end, each with the token that ends it."""
    is_plain: bool
    """Whether no message holds the name of a special token, so that the text can be encoded in one go."""

    @property
    def text(self) -> str:
        return "".join(self.pieces)


class ChatTemplate:
    """A template with the special tokens of a vocabulary."""

    def __init__(self, source: str, tokenizer: Tokenizer, *, names: Mapping[str, str] | None = None) -> None:
        """Compiles a template; `names`: what it may call special tokens, such as `{"eos_token": "</s>"}`.

        Raises InputError if it is no template.
        """
        self._names = {"bos_token": "", "eos_token": "", **(names or {})}
        self._marks_answers = bool(re.search(r"\{%-?\s*generation\b", source))
        added = tokenizer.get_added_tokens_decoder().values()
        special = sorted((token.content for token in added if token.special), key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, special)) or r"(?!)")
        try:
            self._template = _environment().from_string(source)
        except jinja2.TemplateError as error:
            raise InputError(f"chat template: {error}. Use the template that came with the model.") from error

    def render(self, messages: Sequence[Message], *, add_generation_prompt: bool = False) -> Rendered:
        """The conversation as the template writes it, without looking for answers."""
        safe, is_plain = self._made_safe(messages)
        text = self._written(safe, prompt=add_generation_prompt)
        return Rendered(self._split(_without(text, ANSWER, ANSWER_END)), [], is_plain)

    def render_answers(self, messages: Sequence[Message]) -> Rendered:
        """The conversation with where its answers lie: where the template says so, else by rendering its beginnings.

        Raises InputError if the template writes the beginning of a conversation otherwise when it goes on.
        """
        safe, is_plain = self._made_safe(messages)
        text = self._written(safe, prompt=False)
        places = _marked(_without(text, APART)) if self._marks_answers else self._found(safe, text)
        return Rendered(self._split(_without(text, ANSWER, ANSWER_END)), places, is_plain)

    def _made_safe(self, messages: Sequence[Message]) -> tuple[list[dict[str, Any]], bool]:
        """Messages in which no special token's name stands whole, and whether none did."""
        is_plain, safe = True, []
        for message in messages:
            content = message["content"]
            if any(mark in content for mark in (ANSWER, ANSWER_END, APART)):
                raise InputError("a message holds one of the code points U+FDD0 to U+FDD2, which no text may hold.")
            apart = self._special.sub(lambda name: name[0][0] + APART + name[0][1:], content)
            is_plain &= apart == content
            safe.append({**message, "content": apart})
        return safe, is_plain

    def _written(self, messages: Sequence[Message], *, prompt: bool) -> str:
        try:
            return self._template.render(messages=messages, add_generation_prompt=prompt, **self._names)
        except FAULTS as error:
            raise InputError(f"the chat template refuses it: {error}") from error

    def _split(self, text: str) -> list[str]:
        pieces, last = list[str](), 0
        for name in self._special.finditer(text):
            pieces += [text[last : name.start()].replace(APART, ""), name[0]]
            last = name.end()
        return [*pieces, text[last:].replace(APART, "")]

    def _found(self, messages: Sequence[Message], text: str) -> list[Place]:
        """Answers by comparing what is written up to each with what is written with it."""
        places = []
        for number, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            before = self._written(messages[:number], prompt=True)
            until = self._written(messages[: number + 1], prompt=False)
            if not (until.startswith(before) and text.startswith(until)):
                raise InputError(
                    f"the chat template writes what comes before message {number + 1} otherwise than when the "
                    "conversation goes on, so answers cannot be told apart. Mark them in the template: "
                    "{% generation %}{{ message['content'] }}...{% endgeneration %}."
                )
            start = len(before)
            content = until.find(message["content"].strip(), start)
            if content >= 0 and before == self._written(messages[:number], prompt=False):
                start = content  # the template writes no beginning of an answer that it is asked for
            behind = start if content < 0 else content + len(message["content"].strip())
            end = self._special.search(until, behind)
            places.append((start, end.end() if end else len(until)))
        return [(_length(text[:start]), _length(text[:end])) for start, end in places]


def _length(text: str) -> int:
    return len(text) - text.count(APART)


def _without(text: str, *marks: str) -> str:
    for mark in marks:
        text = text.replace(mark, "")
    return text


def _marked(text: str) -> list[Place]:
    """What lies between the marks, in the text without them."""
    places, length = list[Place](), 0
    for piece in re.split(f"({ANSWER}[^{ANSWER_END}]*{ANSWER_END})", text):
        if piece.startswith(ANSWER):
            places.append((length, length + len(piece) - 2))
        length += len(_without(piece, ANSWER, ANSWER_END))
    return places


class _Generation(Extension):
    """`{% generation %}` ... `{% endgeneration %}`: what the model writes."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return CallBlock(self.call_method("_mark"), [], [], body).set_lineno(line)

    def _mark(self, caller: Callable[[], str]) -> str:
        return f"{ANSWER}{caller()}{ANSWER_END}"


class _Namespace(Namespace):
    """Jinja's own, without names that mean something to Python."""

    def __init__(*args: Any, **values: Any) -> None:
        self, *given = args
        Namespace.__init__(self, *given, **values)
        for name in dict(*given, **values):
            _check_name(name)

    def __setitem__(self, name: str, value: Any) -> None:
        _check_name(name)
        Namespace.__setitem__(self, name, value)


def _check_name(name: object) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise jinja2.exceptions.SecurityError(f"the name {name!r} begins with an underscore")


def _environment() -> ImmutableSandboxedEnvironment:
    """What templates are written for: transformers' own environment."""
    found = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols])
    found.filters["tojson"] = _to_json
    for name in ("lipsum", "cycler", "joiner"):
        del found.globals[name]
    found.globals |= {"raise_exception": _refuse, "strftime_now": _now, "namespace": _Namespace, "dict": _dict}
    return found


def _dict(*given: Any, **values: Any) -> dict[Any, Any]:
    return dict(*given, **values)


def _refuse(message: str) -> None:
    raise jinja2.TemplateError(message)


def _now(form: str) -> str:
    return datetime.now(UTC).astimezone().strftime(form)


def _to_json(value: Any, **given: Any) -> str:
    """JSON without the escapes of HTML."""
    return json.dumps(value, **{"ensure_ascii": False, **given})
