"""A model as an ONNX file, by torch.export: what any ONNX runtime runs without us.

Shape letters: B batch, T time, S source time, D width, V vocabulary. All inputs are int64.

    decoder           input_ids (B, T), attention_mask (B, T)                             -> logits (B, T, V)
    encoder           the same                                                            -> last_hidden_state (B, T, D)
                      ... with a head that guesses tokens                                 -> also logits (B, T, V)
    encoder_decoder   input_ids (B, S), attention_mask (B, S), decoder_input_ids (B, T)   -> logits (B, T, V)

attention_mask is 1 for tokens and 0 for padding, which lies behind them.
"""

import os
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from headrace.errors import InputError
from headrace.models.build import Model
from headrace.models.decoder import Decoder
from headrace.models.encoder import Encoder
from headrace.models.encoder_decoder import EncoderDecoder
from headrace.models.rows import SourceRows
from headrace.models.transformer import places_of


def write_onnx(model: Model, path: Path) -> None:
    """Writes the file in one step. Raises InputError if the packages that it needs are not installed."""
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise InputError(f"ONNX needs the package {error.name}: pip install 'headrace[export]'.") from error
    graph, names, outputs = _graph_of(model)
    example = tuple(torch.ones(2, 3 + number, dtype=torch.int64) for number in range(len(names)))
    example = (example[0], torch.ones_like(example[0]), *example[2:])
    batch, time, target = (torch.export.Dim(name) for name in ("batch", "time", "target_time"))
    shapes = tuple({0: batch, 1: target if name == "decoder_input_ids" else time} for name in names)
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch and onnxscript tell of their own deprecations
            program = torch.onnx.export(
                graph.eval(),
                example,
                input_names=names,
                output_names=outputs,
                dynamic_shapes=shapes,
                dynamo=True,
                verbose=False,
            )
            assert program is not None, "the exporter returns what it makes"
            program.save(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _graph_of(model: Model) -> tuple[nn.Module, list[str], list[str]]:
    if isinstance(model, EncoderDecoder):
        return _Translates(model), ["input_ids", "attention_mask", "decoder_input_ids"], ["logits"]
    if isinstance(model, Encoder):
        outputs = ["last_hidden_state", *(["logits"] if model.config.head_transform else [])]
        return _Reads(model), ["input_ids", "attention_mask"], outputs
    return _Continues(model), ["input_ids", "attention_mask"], ["logits"]


class _Continues(nn.Module):
    def __init__(self, model: Decoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return self.model.compare(self.model(input_ids, places_of(input_ids), attention_mask - 1))


class _Reads(nn.Module):
    def __init__(self, model: Encoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        hidden_BTD = self.model(input_ids, places_of(input_ids), attention_mask - 1)
        if not self.model.config.head_transform:
            return hidden_BTD
        return hidden_BTD, self.model.compare(self.model.predictions(hidden_BTD))


class _Translates(nn.Module):
    def __init__(self, model: EncoderDecoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor, decoder_input_ids: Tensor) -> Tensor:
        source = SourceRows(input_ids, places_of(input_ids), attention_mask - 1)
        document_BT = torch.zeros_like(decoder_input_ids)
        hidden_BTD = self.model(decoder_input_ids, places_of(decoder_input_ids), document_BT, source=source)
        return self.model.compare(hidden_BTD)
