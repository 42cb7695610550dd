"""Our own family: for models that none of transformers' families can express. Only headrace reads it."""

from typing import Any

from headrace.models.config import ModelConfig
from headrace.models.families.family import Facts, Foreign, Piece, Tensors, read_facts


class Native:
    """Settings and weights under our own names."""

    model_type = "headrace"

    def read(self, foreign: Foreign, tensors: Tensors) -> ModelConfig:
        return ModelConfig.model_validate(foreign["model"])

    def facts(self, foreign: Foreign) -> Facts:
        return read_facts(foreign, max_positions=foreign["max_position_embeddings"])

    def misfits(self, config: ModelConfig) -> list[str]:
        return []

    def write(self, config: ModelConfig, facts: Facts) -> dict[str, Any]:
        return {
            "model_type": self.model_type,
            **facts.as_json(),
            "decoder_start_token_id": facts.start_token,
            "max_position_embeddings": facts.max_positions,
            "model": config.as_json(),
        }

    def pieces(self, name: str, config: ModelConfig) -> tuple[Piece, ...]:
        return (Piece(name),)

    def plain_name(self, name: str) -> str | None:
        return name
