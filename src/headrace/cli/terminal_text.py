"""Text that others wrote, made fit for a terminal."""


def safe_text(text: str) -> str:
    """Text of a model or a document without control characters, which a terminal would obey."""
    return "".join(c if c in "\n\t" or (c.isprintable() or c == "\u3000") else "\ufffd" for c in text)
