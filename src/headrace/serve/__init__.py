"""A trained model that answers: text in, text out, token by token.

In: a model folder or a GGUF file. Out: continuations, streamed as they are made or many side by side; targets of an
encoder-decoder; scores of given continuations.
Promises: the same prompt, settings and seed give the same text on the same machine; what a prompt gets depends on no
other, up to rounding; a stream never cuts a character in two.

    generator.py     texts and conversations, with a model that is opened for them
    continuing.py    many prompts at once, token by token
    sampling.py      how the next token is drawn
    writing.py       an encoder-decoder: the likeliest tokens, or beams
    scoring.py       how likely given continuations are
    predictor.py     what a model that learnt from examples makes of texts; predictions.py: of records from files
"""

from headrace.serve.generator import Precision, TextGenerator
from headrace.serve.sampling import SamplingConfig
from headrace.serve.scoring import Scored, score_continuations
from headrace.serve.writing import SequenceWriter, WritingConfig

__all__ = [
    "Precision",
    "SamplingConfig",
    "Scored",
    "SequenceWriter",
    "TextGenerator",
    "WritingConfig",
    "score_continuations",
]
