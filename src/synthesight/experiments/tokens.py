"""Train a small model of image tokens on labelled images: the recipe of ``natural-32-ar``.

Four stages, each with a checkpoint of its own:

1. *Features*, without labels: crops of the same image should look alike and those of others not
   (SimCLR, Chen et al. 2020).
2. *Tokens*, without labels: code words for the features of whole images and of places (k-means),
   and a painter that learns to show an image from its codes, with codes of detail of its own.
3. *Likelihood*: a transformer predicts each token from a prompt and the tokens before it. The
   images are cropped and coloured a little before they become tokens.
4. *Weights*: how much each token counts, fitted to labels of images that no stage has seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from synthesight import files
from synthesight.errors import SynthesightError
from synthesight.experiments import stage
from synthesight.experiments.crops import MILD, STRONG
from synthesight.experiments.images import LabelledImages
from synthesight.experiments.text import prompts_of, train_tokenizer
from synthesight.experiments.token_weighting import fit
from synthesight.likelihood.tokens.small import (
    NetworkSizes,
    SmallTokenModel,
    SmallTokenNetwork,
    Tokenizer,
    TokenizerSizes,
    write,
)
from synthesight.likelihood.tokens.small.tokenizer import RESOLUTION
from synthesight.observers.given import SETTINGS

HIDDEN = 512  # of the head that contrasts crops, and is thrown away
PROJECTED = 128
MOST_FITTED = 100_000  # vectors that code words are fitted to
CHUNK = 500  # images tokenised at a time
SCALE_LOSS = (3.0, 2.0, 1.0)  # how much a token of meaning, layout and detail counts in training

Report = Callable[[int, float], None]


@dataclass(frozen=True)
class TokenOptions:
    """What defines a training of the small token model.

    Attributes
    ----------
    steps
        Of the stages features, tokens and likelihood.
    batch_sizes
        Images a step of each.
    rates
        Peak learning rate of each.
    shares
        Share of the time that each has, if the time is limited.
    temperature
        Of the contrast of crops.
    whitening
        See :meth:`~synthesight.likelihood.tokens.small.codes.NearestCodes.fit`.
    views
        Crops of each image that become tokens to train on.
    held_out
        Images that no stage sees and the weights are fitted to: a number, at most a fifth.
    tokenizer, network
        Sizes.
    """

    steps: tuple[int, int, int] = (6000, 2000, 6000)
    batch_sizes: tuple[int, int, int] = (512, 256, 512)
    rates: tuple[float, float, float] = (4e-3, 2e-3, 3e-3)
    shares: tuple[float, float, float] = (0.6, 0.11, 0.29)
    temperature: float = 0.25
    whitening: float = 0.75
    views: int = 6
    held_out: int = 5000
    save_every: int = 500
    seed: int = 0
    tokenizer: TokenizerSizes = field(default_factory=TokenizerSizes)
    network: NetworkSizes = field(default_factory=NetworkSizes)


def train(
    images: LabelledImages,
    out: Path,
    options: TokenOptions,
    *,
    device: torch.device,
    seconds: float | None = None,
    report: Report = lambda step, loss: None,
) -> Path:
    """Train, or go on with a training that was stopped, and write the model to ``out/model``.

    Parameters
    ----------
    images
        The training images, 32 × 32 pixels.
    out
        Folder of this training: a checkpoint for each stage, and the model.
    seconds
        Time that the first three stages may take; None for all of their steps.
    report
        Called with the number of steps done, of :func:`steps_of`, and the stage's smoothed loss.

    Returns
    -------
    The folder of the model.

    Raises
    ------
    SynthesightError
        If the images have another size, ``out`` holds a training with other options or images, or
        a loss is no number.
    """
    training = _Training(images, out, options, device, seconds, report)
    tokenizer = training.tokens(training.features())
    network, words = training.likelihood(tokenizer)
    folder = out / "model"
    write(network, words, parts_of(network.transformer.scales), folder)
    model = SmallTokenModel.from_folder(folder, device=device)
    steps = sum(options.steps)
    fit(model, training.held_out, folder, report=lambda done: report(steps + done, 0.0))
    return folder


def steps_of(images: LabelledImages, options: TokenOptions) -> int:
    """Steps of a training: those of its stages, and one for each image held out."""
    return sum(options.steps) + held_out_of(images, options)


def held_out_of(images: LabelledImages, options: TokenOptions) -> int:
    """Number of images that are held out: a fifth of them at most."""
    return min(options.held_out, len(images.labels) // 5)


def summary(folder: Path) -> str:
    """Say how well a trained model tells held-out images that no weight was fitted to."""
    right = files.read_json(folder / SETTINGS, advice="train the model again")["fitted"]["right"]
    shares = ", ".join(f"{name} {100 * share:.1f} %" for name, share in right.items())
    return f"Right on held-out images that its weights were not fitted to: {shares}."


def split(images: LabelledImages, options: TokenOptions) -> tuple[LabelledImages, LabelledImages]:
    """Return the images to train on, and those held out."""
    count = held_out_of(images, options)
    order = torch.from_numpy(np.random.default_rng(options.seed).permutation(len(images.labels)))
    first, last = order[count:], order[:count]
    return (
        replace(images, pixels=images.pixels[first], labels=images.labels[first]),
        replace(images, pixels=images.pixels[last], labels=images.labels[last]),
    )


def parts_of(scales: Sequence[int]) -> tuple[int, ...]:
    """Return where the parts of the sequence begin and end: the first token alone tells much."""
    meaning, layout, detail = scales
    edges = {0, 1, min(4, meaning), meaning, meaning + layout, meaning + layout + detail}
    return tuple(sorted(edges))


class _Training:
    def __init__(
        self,
        images: LabelledImages,
        out: Path,
        options: TokenOptions,
        device: torch.device,
        seconds: float | None,
        report: Report,
    ) -> None:
        if images.pixels.shape[-1] != RESOLUTION:
            raise SynthesightError(
                f"The images have {images.pixels.shape[-1]} pixels a side, and this model has "
                f"{RESOLUTION}: scale them to that."
            )
        out.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(options.seed)
        self.data = images.hash()
        self.images, self.held_out = (part.to(device) for part in split(images, options))
        self.out, self.options, self.device = out, options, device
        self.seconds, self.report = seconds, report

    def features(self) -> dict[str, Tensor]:
        """Learn what crops of an image have in common; return the weights."""
        options = self.options
        sizes = options.tokenizer
        model = nn.ModuleDict(
            {
                "features": Tokenizer(sizes).features,
                "head": nn.Sequential(
                    nn.Linear(sizes.widths[-1], HIDDEN, bias=False),
                    nn.BatchNorm1d(HIDDEN),
                    nn.ReLU(),
                    nn.Linear(HIDDEN, PROJECTED, bias=False),
                ),
            }
        ).to(self.device)
        matrices = [p for p in model.parameters() if p.ndim == 2]

        def loss(step: int) -> Tensor:
            x, generator = self._batch(0, step)
            crops = torch.cat([STRONG(x, generator), STRONG(x, generator)])
            with self._half():
                found = model["head"](model["features"](crops).mean(dim=(2, 3)))
            return contrast(found.float(), options.temperature)

        shape = {"stem": sizes.stem, "widths": list(sizes.widths)}
        fixed = shape | {"temperature": options.temperature}
        return self._run(0, "features", model, matrices, loss, fixed)["features"].state_dict()

    def tokens(self, features: dict[str, Tensor]) -> Tokenizer:
        """Choose code words, and learn to paint; return the tokenizer."""
        options = self.options
        torch.manual_seed(options.seed + 1)
        model = Tokenizer(options.tokenizer).to(self.device)
        model.features.load_state_dict(features)
        model.features.requires_grad_(False).eval()
        if not (self.out / "tokens.safetensors").exists():
            self._fit_codes(model)

        def loss(step: int) -> Tensor:
            x, generator = self._batch(1, step)
            x = MILD(x, generator)
            with self._half():
                painted = model.reconstruct(x)
                error = painted.float() - x
                # What the first stages of the features see of it: edges and textures.
                seen, wanted = (model.features.stem(part) for part in (painted, x))
                seen, wanted = (model.features.stages[0](part) for part in (seen, wanted))
            alike = (seen.float() - wanted.float()).abs().mean()
            return error.abs().mean() + error.square().mean() + 0.1 * alike

        learnt = (model.look, model.painter)
        matrices = [
            p for part in learnt for name, p in part.named_parameters()
            if p.ndim == 2 and "place" not in name
        ]  # fmt: skip
        fixed = {"tokenizer": asdict(options.tokenizer), "whitening": options.whitening}
        found = self._run(1, "tokens", model, matrices, loss, fixed)
        assert isinstance(found, Tokenizer)
        return found.eval()

    def likelihood(self, tokenizer: Tokenizer) -> tuple[SmallTokenNetwork, Any]:
        """Learn how likely tokens are, given prompts; return the network and its words."""
        options = self.options
        torch.manual_seed(options.seed + 2)
        by_label = [prompts_of(name) for name in self.images.names]
        texts = [text for texts in by_label for text in texts]
        count = np.array([len(texts) for texts in by_label])
        first = np.cumsum(count) - count
        words = train_tokenizer(texts)
        read = words(texts, padding=True, return_tensors="pt").to(self.device)
        model = SmallTokenNetwork(options.tokenizer, options.network, len(words)).to(self.device)
        model.tokenizer.load_state_dict(tokenizer.state_dict())
        model.tokenizer.requires_grad_(False)
        bank, labels = self._bank(tokenizer), self.images.labels
        scales = list(tokenizer.scales.values())
        share = torch.cat([torch.full((n,), w) for n, w in zip(scales, SCALE_LOSS, strict=True)])
        share = (share / share.sum()).to(self.device)

        def loss(step: int) -> Tensor:
            torch.manual_seed(self._seed(2, step))  # of what is dropped
            chance = np.random.default_rng([options.seed, step, 2])
            size = options.batch_sizes[2]
            image = torch.from_numpy(chance.integers(len(labels), size=size)).to(self.device)
            view = torch.from_numpy(chance.integers(len(bank), size=size)).to(self.device)
            codes = bank[view, image].long()
            # One prompt for each label and step: reading all would cost as much as seeing.
            chosen = torch.from_numpy(first + chance.integers(count)).to(self.device)
            with self._half():
                vectors = model.read(read["input_ids"][chosen], read["attention_mask"][chosen])
                logits = model(codes, vectors[labels[image]])
            own = codes.split(scales, dim=1)
            nats = [
                functional.cross_entropy(a.float().flatten(0, 1), b.flatten(), reduction="none")
                for a, b in zip(logits, own, strict=True)
            ]
            each = [n.reshape(size, -1) for n in nats]
            return (torch.cat(each, dim=1) * share).sum(dim=1).mean()

        matrices = [p for p in model.transformer.blocks.parameters() if p.ndim == 2]
        matrices = [p for p in matrices if min(p.shape) > 4]  # not the tables of norms
        fixed = {"network": asdict(options.network), "views": options.views}
        fixed |= {"tokenizer": asdict(options.tokenizer), "whitening": options.whitening}
        model.train()
        found = self._run(2, "likelihood", model, matrices, loss, fixed)
        assert isinstance(found, SmallTokenNetwork)
        return found.eval(), words

    def _half(self) -> torch.autocast:
        """Half precision on a GPU; few CPUs are faster in it, and many are slower."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda")

    @torch.no_grad()
    def _fit_codes(self, model: Tokenizer) -> None:
        wholes, places = [], []
        most = min(len(self.images.labels), MOST_FITTED)
        for start in range(0, most, CHUNK):
            generator = torch.Generator(self.device).manual_seed(start)
            x = self._pixels(torch.arange(start, min(start + CHUNK, most)))
            whole, place = model.see(MILD(x, generator))
            wholes.append(whole)
            places.append(place.flatten(0, 1))
        model.meaning.fit(torch.cat(wholes), whitening=self.options.whitening)
        every = torch.cat(places)
        some = torch.randperm(len(every), generator=torch.Generator().manual_seed(0))
        model.layout.fit(every[some[:MOST_FITTED].to(every.device)])

    @torch.no_grad()
    def _bank(self, tokenizer: Tokenizer) -> Tensor:
        """Tokens of crops of all images: int16, shape (views, N, tokens)."""
        found = []
        for view in range(self.options.views):
            for start in range(0, len(self.images.labels), CHUNK):
                seed = (view * len(self.images.labels) + start) * 7919 + self.options.seed
                generator = torch.Generator(self.device).manual_seed(seed)
                x = self._pixels(torch.arange(start, min(start + CHUNK, len(self.images.labels))))
                found.append(tokenizer.encode(MILD(x, generator)).short())
        return torch.cat(found).unflatten(0, (self.options.views, -1))

    def _pixels(self, index: Tensor) -> Tensor:
        return self.images.pixels[index.to(self.device)].float() / 127.5 - 1.0

    def _seed(self, stage_index: int, step: int) -> int:
        return (self.options.seed * 1_000_003 + step) * 3 + stage_index

    def _batch(self, stage_index: int, step: int) -> tuple[Tensor, torch.Generator]:
        size = self.options.batch_sizes[stage_index]
        generator = torch.Generator(self.device).manual_seed(self._seed(stage_index, step))
        return self.images.batch(self.options.seed, step, size)[0], generator

    def _run(
        self,
        index: int,
        name: str,
        model: nn.Module,
        matrices: list[nn.Parameter],
        loss: Callable[[int], Tensor],
        fixed: dict[str, Any],
    ) -> Any:
        options = self.options
        same = {
            "data": self.data,
            "seed": options.seed,
            "held_out": options.held_out,
            "batch_size": options.batch_sizes[index],
            "rate": options.rates[index],
        }
        return stage.run(
            self.out / f"{name}.safetensors",
            self.out / f"{name}.jsonl",
            model,
            matrices,
            loss,
            same | fixed,
            steps=options.steps[index],
            rate=options.rates[index],
            device=self.device,
            seconds=None if self.seconds is None else self.seconds * options.shares[index],
            save_every=options.save_every,
            report=lambda step, value: self.report(sum(options.steps[:index]) + step, value),
        )


def contrast(vectors: Tensor, temperature: float) -> Tensor:
    """Return the loss of telling which of the others is of the same image.

    Parameters
    ----------
    vectors
        float32, shape (2 B, D): of one crop of each of B images, then of another.
    temperature
        Of the softmax over cosine similarities.

    Examples
    --------
    Two images, whose crops are told apart without fail:

    >>> round(float(contrast(torch.eye(2).repeat(2, 1), 0.05)), 6)
    0.0
    """
    unit = functional.normalize(vectors, dim=1)
    alike = unit @ unit.T / temperature
    alike.fill_diagonal_(-torch.inf)
    count = len(vectors) // 2
    other = torch.arange(2 * count, device=vectors.device).roll(count)
    return functional.cross_entropy(alike, other)
