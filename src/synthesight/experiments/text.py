"""The words of a small text-conditional model: prompts and a tokenizer."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

TEMPLATES = (
    "A bad photo of a {class}",
    "a photo of a {class}",
    "a {class}",
    "{class}",
    "a small picture of a {class}",
    "an image of a {class}",
    "a blurry photo of the {class}",
    "a low resolution photo of a {class}",
)

# Other names that a category goes by; each is used in training as often as the label itself.
SYNONYMS = {
    "automobile": ("car",),
    "ship": ("boat",),
    "airplane": ("aeroplane", "plane"),
}

PROMPT_TOKENS = 24


def prompts_of(label: str) -> list[str]:
    """All training prompts of a label: each template with each of its names."""
    names = (label, *SYNONYMS.get(label, ()))
    return [template.replace("{class}", name) for name in names for template in TEMPLATES]


def train_tokenizer(texts: Sequence[str], vocabulary: int = 512) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer: common words are one token, any other text still has tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=["<pad>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    # Set after training, so that the vocabulary is that of the texts as they stand.
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", tokenizer.token_to_id("</s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        model_max_length=PROMPT_TOKENS,
    )
