"""What can only be seen on a graphics card: precision, rates, memory, noise, and paths never run.

    python benchmarks/gpu.py --stimuli DATA/cifar10/test.parquet --out gpu.jsonl

Each check prints one line, and writes it to ``--out`` at once; one that fails prints why, and the
next goes on. Between them, the errors of all draws of as many images as time allows are recorded
(``--record``), and the table of `peers.py` is made. `--device cpu --small` runs the same checks
where there is no card.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

import synthesight
from synthesight.likelihood import load_model, precision, tuning
from synthesight.likelihood.draws import normal_noise
from synthesight.likelihood.pipeline import PipelineDenoiser
from synthesight.likelihood.rules import Exhaustive, Predictive, Sequential
from synthesight.observers.generative import GenerativeClassifier
from synthesight.observers.prompts import DEFAULT_PROMPT
from synthesight.stimuli.find import find_stimuli, sample

sys.path += [str(Path(__file__).parents[1] / "tests"), str(Path(__file__).parent)]
tiny_models = import_module("tiny_models")  # of the tests

HALVES = {"float16": torch.float16, "bfloat16": torch.bfloat16}
GIB = 2**30


class Checks:
    """Runs checks one after the other."""

    def __init__(self, device: str, small: bool, stimuli: str, out: Path | None, limit: float):
        self.device, self.small, self.out = device, small, out
        self.deadline = time.monotonic() + limit
        everything = find_stimuli(stimuli)
        self.everything = everything
        self.classes = sorted({str(stimulus.category) for stimulus in everything})
        self.shown = sample(everything, limit=6 if small else 400, seed=2)
        self.failed = 0
        if out is not None:
            out.write_text("")

    def run(self, name: str, check: Callable[[], dict[str, Any]]) -> None:
        if time.monotonic() > self.deadline:
            self.say({"check": name, "skipped": "out of time"})
            return
        started = time.perf_counter()
        try:
            found = {"check": name, **check()}
        except Exception as error:
            self.failed += 1
            where = traceback.extract_tb(error.__traceback__)[-3:]
            found = {
                "check": name,
                "FAILED": f"{type(error).__name__}: {error}"[:600],
                "at": [f"{Path(each.filename).name}:{each.lineno}" for each in where],
            }
        self.say(found | {"seconds": round(time.perf_counter() - started, 1)})
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()

    def say(self, found: dict[str, Any]) -> None:
        line = json.dumps(found, default=str)
        print(line, flush=True)
        if self.out is not None:
            with self.out.open("a") as file:
                file.write(line + "\n")

    def natural(self, **options: Any) -> Any:
        given = {"device": self.device} | options
        found = synthesight.load("natural-32", classes=self.classes, **given)
        assert isinstance(found, GenerativeClassifier)
        return found

    # The checks ----------------------------------------------------------------------------------

    def observer(self) -> dict[str, Any]:
        """natural-32 as a user opens it, beside the same on the CPU in float32."""
        observer = self.natural()
        found = {each.stimulus.id: each for each in observer.respond(self.shown, self.classes)}
        right = np.mean([found[s.id].response == s.category for s in self.shown])
        few = self.shown[:4]
        own = synthesight.load("natural-32", classes=self.classes, device="cpu")
        same, gap = [], []
        for each in own.respond(few, self.classes):
            same.append(each.response == found[each.stimulus.id].response)
            a, b = each.evidence, found[each.stimulus.id].evidence
            both = each.draws == found[each.stimulus.id].draws
            gap.append(float(np.abs(a - b)[both].max(initial=0) / np.abs(a).max()))
        usage = observer.usage_
        return {
            **observer.computing(),
            "precision": observer.model.describe()["precision"],
            "right": right,
            "evaluations": usage.evaluations / len(self.shown),
            "evaluations/s": usage.evaluations / usage.seconds,
            "in network": usage.network_seconds / usage.seconds,
            "halvings": usage.halvings,
            "as on CPU": f"{sum(same)} of {len(same)}",
            "evidence gap": max(gap),
        }

    def differences(self) -> dict[str, Any]:
        """How far half precision moves the differences of classes, on real images."""
        found: dict[str, Any] = {}
        rule = Exhaustive(20)
        few = self.shown[: 4 if self.small else 64]
        table = {}
        for name in ("float32", "float16", "bfloat16"):
            observer = self.natural(dtype=name, rule=rule)
            by_id = {each.stimulus.id: each for each in observer.respond(few, self.classes)}
            posts = [by_id[s.id] for s in few]
            table[name] = (
                [each.response for each in posts],
                np.array([each.evidence - each.evidence.mean() for each in posts]),
            )
            found[f"{name}, evaluations/s"] = observer.usage_.evaluations / observer.usage_.seconds
        plain = table["float32"]
        for name in HALVES:
            other = table[name]
            error = np.sqrt(np.mean((other[1] - plain[1]) ** 2) / np.mean(plain[1] ** 2))
            same = np.mean([a == b for a, b in zip(other[0], plain[0], strict=True)])
            found |= {f"{name}, error of differences": error, f"{name}, same responses": same}
        return found

    def latent(self, side: int = 64) -> Any:
        """A network of Stable Diffusion 1.5's shape with random weights; small: a tiny one."""
        import diffusers

        if self.small:
            with tempfile.TemporaryDirectory() as folder:
                return load_model(tiny_models.stable_diffusion(Path(folder)), device=self.device)
        with torch.device(self.device):
            unet = diffusers.UNet2DConditionModel(
                sample_size=side,
                block_out_channels=(320, 640, 1280, 1280),
                layers_per_block=2,
                cross_attention_dim=tiny_models.WIDTH,
                attention_head_dim=8,
            )
        pipeline = diffusers.StableDiffusionPipeline(
            vae=tiny_models.vae(),
            text_encoder=tiny_models.clip(),
            tokenizer=tiny_models.clip_tokenizer(),
            unet=unet,
            scheduler=diffusers.DDIMScheduler(
                beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012
            ),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        ).to(self.device)
        return PipelineDenoiser(pipeline, name="sd-1.5 shape", device=self.device)

    def latents(self) -> dict[str, Any]:
        """A tiny random pipeline with an autoencoder, as a user opens one."""
        with tempfile.TemporaryDirectory() as folder:
            observer = synthesight.load(
                tiny_models.stable_diffusion(Path(folder)),
                classes=["cat", "dog", "truck"],
                device=self.device,
                max_draws=20,
            )
        assert isinstance(observer, GenerativeClassifier)
        model: Any = observer.model
        found = list(observer.respond(self.shown[:20]))
        errors = [each.error for each in found if each.error]
        return {
            **observer.computing(),
            "precision": model.describe()["precision"],
            "door": model.describe()["door"][:40],
            "errors": errors[:1],
            "evaluations": sum(each.evaluations for each in found),
        }

    def reproducible(self) -> dict[str, Any]:
        """Two runs, in other orders, and the same bits."""
        bits = []
        with tempfile.TemporaryDirectory() as folder:
            for name, some in (("a", self.shown[:10]), ("b", self.shown[:10][::-1])):
                run = synthesight.evaluate(
                    "natural-32",
                    some,
                    Path(folder) / name,
                    device=self.device,
                    max_draws=20,
                    reproducible=True,
                    progress=False,
                )
                bits.append(run.trials().sort("stimulus")["evidence"].to_list())
        return {"same bits": bits[0] == bits[1]}

    def scores(self) -> dict[str, Any]:
        found = synthesight.score(
            self.natural(), self.shown[:8], ["a photo of a cat", "a photo of a dog"], draws=10
        )
        return {"rows": len(found), "finite": bool(found["error"].is_finite().all())}

    def matrix_rate(self, dtype: torch.dtype) -> float:
        """FLOP/s of a large product."""
        side = 512 if self.small else 8192
        a = torch.randn(side, side, device=self.device, dtype=dtype)
        best = float("inf")
        for _ in range(8):
            self.wait()
            started = time.perf_counter()
            a @ a
            self.wait()
            best = min(best, time.perf_counter() - started)
        return 2 * side**3 / best

    def rates(self, model: PipelineDenoiser, sizes: tuple[int, ...]) -> dict[str, Any]:
        """Evaluations a second by precision and batch, and share of the matrix rate."""
        from torch.utils.flop_counter import FlopCounterMode

        found: dict[str, Any] = {}
        for dtype in (torch.float16, torch.bfloat16):
            name = str(dtype).removeprefix("torch.")
            precision.cast(model.network, dtype)
            model.reopen()
            wrapped = GenerativeClassifier(model, classes=["cat", "dog"])
            given = model.prepare(["a cat", "a dog"])
            x = tuning.grey_image(wrapped.likelihood)
            with FlopCounterMode(display=False) as counter:
                tuning.seconds_a_batch(wrapped.likelihood, given, x, 1)
            flops = counter.get_total_flops() / tuning.RUNS
            peak = self.matrix_rate(dtype)
            found[f"{name}, matrix TFLOP/s"] = peak / 1e12
            for size in sizes:
                seconds = tuning.seconds_a_batch(wrapped.likelihood, given, x, size)
                found[f"{name}, {size}: evaluations/s"] = size / seconds
                found[f"{name}, {size}: share of matrix rate"] = size / seconds * flops / peak
        found["GFLOP an evaluation"] = flops / 1e9
        return found

    def formats(self, model: PipelineDenoiser, size: int) -> dict[str, Any]:
        """What channels-last gains."""
        wrapped = GenerativeClassifier(model, classes=["cat", "dog"])
        given = model.prepare(["a cat", "a dog"])
        x = tuning.grey_image(wrapped.likelihood)
        plain = tuning.seconds_a_batch(wrapped.likelihood, given, x, size)
        chosen = tuning.choose_memory_format(wrapped.likelihood, given, size)
        after = tuning.seconds_a_batch(wrapped.likelihood, given, x, size)
        return {
            "batch": size,
            "plain, evaluations/s": size / plain,
            "memory format": chosen,
            "evaluations/s": size / after,
        }

    def compiling(self, model: PipelineDenoiser, size: int) -> dict[str, Any]:
        """What compiling gains, and what it takes."""
        wrapped = GenerativeClassifier(model, classes=["cat", "dog"])
        given = model.prepare(["a cat", "a dog"])
        x = tuning.grey_image(wrapped.likelihood)
        network = model.network
        plain = tuning.seconds_a_batch(wrapped.likelihood, given, x, size)
        started = time.perf_counter()
        compiled = tuning.compile_network(wrapped.likelihood, given, size, 1e9, plain)
        took = time.perf_counter() - started
        after = tuning.seconds_a_batch(wrapped.likelihood, given, x, size) if compiled else None
        model.network = network
        return {
            "batch": size,
            "plain, evaluations/s": size / plain,
            "compiled": compiled,
            "compiling, s": took,
            "compiled, evaluations/s": size / after if after else None,
        }

    def precisions(self, model: PipelineDenoiser) -> dict[str, Any]:
        """Both half precisions, by the difference of two classes."""
        precision.cast(model.network, torch.float32)
        model.reopen()
        return dict(precision.choose_precision(model, list(HALVES.values())))

    def record(self, path: Path, seconds: float) -> dict[str, Any]:
        """The weighted errors of all draws, with the times that the model's own settings draw."""
        observer = self.natural(dtype="float32", batch_size=8 if self.small else 1024)
        texts = [DEFAULT_PROMPT.replace("{class}", name) for name in self.classes]
        shown = sample(self.everything, limit=1000, seed=3)
        draws, step = (10, 2) if self.small else (200, 50)
        started, errors, ids = time.perf_counter(), [], []
        for start in range(0, 4 if self.small else len(shown), step):
            some = shown[start : start + step]
            found = synthesight.score(
                observer, some, texts, draws=draws, weighting=observer.weighting
            )
            errors.append(
                found["error"].to_numpy().astype(np.float32).reshape(-1, draws, len(texts))
            )
            ids += [stimulus.id for stimulus in some]
            unfinished = path.with_suffix(".tmp.npz")
            np.savez(
                unfinished,
                errors=np.concatenate(errors).astype(np.float32),
                stimuli=ids,
                classes=self.classes,
            )
            unfinished.replace(path)
            if time.perf_counter() - started > seconds:
                break
        took = time.perf_counter() - started
        return {"images": len(ids), "evaluations/s": len(ids) * draws * len(texts) / took}

    def peers(self, seconds: float) -> dict[str, Any]:
        """The table of peers.py."""
        import peers

        names = [peers.REFERENCE, "Clark & Jaini", *peers.RULES, "natural-32-ar"]
        names = [*names[:1], "predictive"] if self.small else names
        compared = peers.compare(
            self.everything,
            names,
            device=self.device,
            dtype=None,
            limit=4 if self.small else 512,
            block=2 if self.small else 32,
            seconds=seconds,
        )
        peers.show(compared, f"natural-32, {self.device}")
        return {each.name: each.record() for each in compared}

    def tuned(self, model: PipelineDenoiser) -> dict[str, Any]:
        wrapped = GenerativeClassifier(model, classes=["cat", "dog"])
        given = model.prepare(["a cat", "a dog"])
        found = {}
        for work in (160, 4_000, 40_000):
            wrapped.tuner = tuning.Tuner()
            started = time.perf_counter()
            size = wrapped.tuner.tune(wrapped.likelihood, given, work)
            found[f"{work} evaluations"] = f"{size}, in {time.perf_counter() - started:.2f} s"
        return found

    def memory(self, model: PipelineDenoiser) -> dict[str, Any]:
        """A batch that does not fit is halved, and answers stay."""
        few = self.shown[: 2 if self.small else 4]
        rule = Exhaustive(16)
        answers = []
        used: dict[str, Any] = {}
        for size, bound in ((2, False), (512, True)):
            observer = GenerativeClassifier(model, classes=self.classes, rule=rule, batch_size=size)
            with self.limited() if bound else self.unlimited():
                found = {each.stimulus.id: each for each in observer.respond(few)}
            answers.append(np.array([found[s.id].evidence for s in few]))
            used |= {"batch": observer.usage_.batch_size, "halvings": observer.usage_.halvings}
        gap = np.abs(answers[0] - answers[1]).max() / np.abs(answers[0]).max()
        return {**used, "evidence gap": float(gap)}

    @contextmanager
    def limited(self) -> Iterator[None]:
        """Leave 4 GiB more than is in use."""
        if not self.device.startswith("cuda"):
            yield
            return
        torch.cuda.empty_cache()
        whole = torch.cuda.get_device_properties(self.device).total_memory
        share = (torch.cuda.memory_reserved() + 4 * GIB) / whole
        torch.cuda.set_per_process_memory_fraction(min(1.0, share))
        try:
            yield
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)

    @contextmanager
    def unlimited(self) -> Iterator[None]:
        yield

    def noise(self) -> dict[str, Any]:
        """Milliseconds a draw, by one thread and by several."""
        from synthesight.likelihood import draws

        keys = np.ones((64, 2), dtype=np.uint64)
        found: dict[str, Any] = {"cores": draws.usable_cores()}
        least = draws.A_THREAD
        for shape in ((4, 64, 64), (16, 128, 128)):
            made = []
            for threads in (False, True):
                draws.A_THREAD = least if threads else 2**62
                started = time.perf_counter()
                made.append(normal_noise(keys, np.arange(64), shape))
                name = f"{'x'.join(map(str, shape))}, {'several' if threads else 'one'}"
                found[name] = 1000 * (time.perf_counter() - started) / 64
            found["same"] = bool((made[0] == made[1]).all())
        draws.A_THREAD = least
        return found

    def overlap(self, model: PipelineDenoiser) -> dict[str, Any]:
        """Share of the time in the network, with the noise made on the side."""
        observer = GenerativeClassifier(
            model, classes=self.classes, rule=Sequential(32), batch_size=32
        )
        found = list(observer.respond(self.shown[: 4 if self.small else 24]))
        usage = observer.usage_
        return {
            "evaluations": usage.evaluations,
            "evaluations/s": usage.evaluations / usage.seconds,
            "in network": usage.network_seconds / usage.seconds,
            "images": len(found),
        }

    def processor(self) -> dict[str, Any]:
        """What this machine's CPU gains by packing, half precision and compiling."""
        torch.set_num_threads(min(8, torch.get_num_threads()))
        found: dict[str, Any] = {"threads": torch.get_num_threads(), "size": 32}
        own = self.natural(device="cpu", rule=Predictive())
        given = own.model.prepare(["A bad photo of a cat", "A bad photo of a dog"])
        x = tuning.grey_image(own.likelihood)

        def rate() -> float:
            return 32 / tuning.seconds_a_batch(own.likelihood, given, x, 32)

        found["plain, evaluations/s"] = rate()
        found["packed layers"] = tuning.pack(own.model.network)
        found["packed, evaluations/s"] = rate()
        tuning.unpack(own.model.network)
        candidates = precision.half_precisions(torch.device("cpu"))
        found["half precisions"] = [str(each) for each in candidates]
        for each in candidates:
            half = self.natural(device="cpu", dtype=str(each))
            given = half.model.prepare(["a cat"])
            seconds = tuning.seconds_a_batch(half.likelihood, given, x, 32)
            found[f"{each}, evaluations/s"] = 32 / seconds
        chosen = self.natural(device="cpu", dtype="auto")
        found["auto"] = str(chosen.model.dtype)
        found["auto, errors"] = chosen.model.precision
        return found

    def wait(self) -> None:
        if self.device.startswith("cuda"):
            torch.cuda.synchronize()


def main(
    stimuli: Annotated[str, typer.Option(help="Images with categories.")],
    device: str = "cuda",
    small: Annotated[bool, typer.Option(help="Tiny sizes, to try the checks.")] = False,
    limit: Annotated[float, typer.Option(help="Start no more checks after these seconds.")] = 300,
    out: Path | None = None,
    record: Annotated[Path | None, typer.Option(help="File of arrays, of recorded errors.")] = None,
) -> None:
    checks = Checks(device, small, stimuli, out, limit)
    name = torch.cuda.get_device_name() if device.startswith("cuda") else "cpu"
    checks.say({"check": "machine", "device": name, "torch": torch.__version__})
    checks.run("natural-32", checks.observer)
    checks.run("tiny latents", checks.latents)
    checks.run("noise", checks.noise)
    checks.run("processor", checks.processor)
    models: dict[str, PipelineDenoiser] = {}

    def opened(name: str, model: PipelineDenoiser) -> dict[str, Any]:
        models.clear()
        models[name] = model
        return {"model": repr(model)}

    sizes, half = ((4, 8), (4, 8)) if small else ((64, 256, 1024), (8, 32, 64))
    checks.run("open sd-1.5 shape", lambda: opened("latent", checks.latent()))
    if latent := models.get("latent"):
        checks.run("rates, sd-1.5 shape", lambda: checks.rates(latent, half))
        checks.run("memory, sd-1.5 shape", lambda: checks.memory(latent))
        checks.run("overlap, sd-1.5 shape", lambda: checks.overlap(latent))
    if record is not None:
        seconds = 0.4 * limit
        checks.run("record", lambda: checks.record(record, seconds))
    checks.run("peers", lambda: checks.peers(0.2 * limit))
    checks.run("differences of classes", checks.differences)
    checks.run("reproducible", checks.reproducible)
    checks.run("score", checks.scores)
    if latent:
        checks.run("precision, sd-1.5 shape", lambda: checks.precisions(latent))
        checks.run("tuning, sd-1.5 shape", lambda: checks.tuned(latent))
        checks.run("memory format, sd-1.5 shape", lambda: checks.formats(latent, half[1]))
    checks.run("open natural-32", lambda: opened("natural-32", checks.natural().model))
    if model := models.get("natural-32"):
        checks.run("rates, natural-32", lambda: checks.rates(model, sizes))
        checks.run("tuning, natural-32", lambda: checks.tuned(model))
        checks.run("compiling, natural-32", lambda: checks.compiling(model, sizes[1]))
    if latent:
        checks.run("compiling, sd-1.5 shape", lambda: checks.compiling(latent, half[1]))
    print(f"{checks.failed} failed", flush=True)


if __name__ == "__main__":
    typer.run(main)
