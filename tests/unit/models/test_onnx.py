"""ONNX files: onnxruntime gives our outputs, for rows of any number and length (decoders: `headrace convert`)."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from small_models import rough_model, small_config
from test_families import OURS

from headrace.models.encoder import Encoder
from headrace.models.encoder_decoder import EncoderDecoder
from headrace.models.onnx_file import write_onnx

SHAPES = {"encoder": OURS["bert"], "encoder_decoder": {**OURS["t5"], "tied": False}}


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_onnxruntime_gives_our_outputs(shape: str, tmp_path: Path) -> None:
    model = rough_model(small_config(depth=1, **SHAPES[shape]), vocabulary_size=50).eval()
    assert isinstance(model, Encoder | EncoderDecoder)
    write_onnx(model, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])

    for batch, time in [(1, 1), (3, 17)]:
        tokens = torch.randint(0, 50, (batch, time), generator=torch.Generator().manual_seed(1))
        mask = torch.ones_like(tokens)
        mask[-1, (time + 1) // 2 :] = 0  # the last row is padded
        inputs = {"input_ids": tokens.numpy(), "attention_mask": mask.numpy()}
        if isinstance(model, EncoderDecoder):
            inputs["decoder_input_ids"] = tokens[:, : time // 2 + 1].numpy()
        found = dict(zip([output.name for output in session.get_outputs()], session.run(None, inputs), strict=True))
        for row in range(batch):
            length = int(mask[row].sum())
            alone, cut = tokens[row : row + 1, :length], slice(0, length)
            with torch.no_grad():
                if isinstance(model, EncoderDecoder):
                    target = tokens[row : row + 1, : time // 2 + 1]
                    wanted, cut = {"logits": model.logits(alone, target)}, slice(None)
                else:
                    wanted = {"last_hidden_state": model.hidden(alone), "logits": model.logits(alone)}
            for name, array in found.items():
                np.testing.assert_allclose(array[row, cut], wanted[name][0].numpy(), rtol=0, atol=1e-4)
