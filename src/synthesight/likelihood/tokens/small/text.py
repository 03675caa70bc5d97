"""The text encoder of small models."""

from __future__ import annotations

from transformers import T5Config, T5EncoderModel


def small_text_encoder(vocabulary: int, width: int = 128) -> T5EncoderModel:
    """A two-layer T5 encoder (Raffel et al. 2020), to be trained with the image model."""
    return T5EncoderModel(
        T5Config(
            vocab_size=vocabulary,
            d_model=width,
            d_kv=32,
            d_ff=2 * width,
            num_layers=2,
            num_heads=4,
            dropout_rate=0.0,
            feed_forward_proj="gated-gelu",
            pad_token_id=0,
            eos_token_id=1,
            decoder_start_token_id=0,
        )
    )
