"""Writes a BERT-like encoder in ONNX form for `deduplicate: {method: meaning}`.

    python benchmarks/export_encoder.py FOLDER_WITH_CONFIG_AND_SAFETENSORS OUTPUT_FOLDER

Needs torch, transformers and onnx. The output holds `model.onnx` (token vectors) and `tokenizer.json`.
"""

import shutil
import sys
from pathlib import Path

import torch
from transformers import AutoModel

INPUTS = ["input_ids", "attention_mask", "token_type_ids"]


class TokenVectors(torch.nn.Module):
    """The encoder with nothing but its last hidden states as output."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.encoder = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        """(B, T) each to (B, T, D)."""
        return self.encoder(input_ids=ids, attention_mask=mask, token_type_ids=types).last_hidden_state


def export(folder: Path, output: Path) -> None:
    """Writes the files of the output folder."""
    output.mkdir(parents=True, exist_ok=True)
    example = torch.ones((2, 8), dtype=torch.int64)
    torch.onnx.export(
        TokenVectors(folder),
        (example, example, torch.zeros_like(example)),
        str(output / "model.onnx"),
        input_names=INPUTS,
        output_names=["token_vectors"],
        dynamic_axes={name: {0: "batch", 1: "tokens"} for name in [*INPUTS, "token_vectors"]},
        opset_version=17,
        dynamo=False,
    )
    shutil.copyfile(folder / "tokenizer.json", output / "tokenizer.json")


if __name__ == "__main__":
    export(Path(sys.argv[1]), Path(sys.argv[2]))
