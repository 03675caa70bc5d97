"""Feed the command line with files that are damaged, absurd or hostile, and see that it holds.

The rule: it ends with exit code 0 or 2; what it says is one printable sentence a mistake; it takes
less than 2 GB of memory and less than a minute.

``python tests/fuzzing.py 600`` tries for ten minutes and prints a line a kind. Names of kinds after
the seconds try those alone, and ``python tests/fuzzing.py 0 images:17`` repeats one try.
"""

from __future__ import annotations

import io
import json
import os
import random
import re
import select
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from PIL import Image

from builders import encoded, noise, trial_table
from synthesight.observers.registry import ZOO
from synthesight.trials.exchange import write_csv

SECONDS = 60  # that one try may take
MOST = 2 * 10**9  # bytes
BEGINS = re.compile(
    r"synthesight: |\d+ of \d+ images could not be read:$|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [A-Z]"
)
ABSURD: list[Any] = [
    None, True, False, -1, 0, 1, 3, 2**31, 10**9, 10**18, -(10**18), 0.5, -2.5, 1e308, float("nan"),
    float("inf"), "", "x", "x" * 20_000, "a\0b", "\x1b[31m", "\u202e", "../../../etc/passwd",
    "é" * 99, "{class}", "kernels-community/flash-attn", [], [1], [[]], {}, {"a": 1}, ["a", "b"],
    [10**9] * 3,
]  # fmt: skip


def mangled(rng: random.Random, content: bytes) -> bytes:
    """Change bytes here and there, as disks, networks and enemies do."""
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 5, 20])):
        where = rng.randrange(len(changed) + 1)
        length = rng.choice([1, 1, 2, 4, 8, 64, 1000])
        part = bytes(changed[where : where + length])
        changed[where : where + length] = rng.choice(
            [
                b"", bytes(len(part)), b"\xff" * len(part), rng.randbytes(length), part + part,
                part[::-1], bytes(changed[:length]), bytes(b ^ 1 << rng.randrange(8) for b in part),
                b"\0", b"\r", b'"', b",", b"\n", b"-1", b"99999999999", b"\xc3",
            ]
        )  # fmt: skip
        if rng.random() < 0.05:
            del changed[where:]
    return bytes(changed)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the containers in a JSON value, and each of their keys."""
    items = list(value.items() if isinstance(value, dict) else enumerate(value))
    for key, each in items:
        yield value, key
        if isinstance(each, dict | list):
            yield from places(each)


def absurd_json(rng: random.Random, content: bytes) -> bytes:
    """Change values of a JSON object for others of any kind and size, or its text."""
    how = rng.random()
    if how < 0.1:
        return mangled(rng, content)
    if how < 0.15:
        return rng.choice(
            [b"[" * 10**5, b'{"a":' * 10**5, b"[]", b"null", b"", b'"', b"\xff\xfe{}"]
        )
    value = json.loads(content)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        options = list(places(value))
        if not options:
            break
        holder, key = rng.choice(options)
        action = rng.random()
        if action < 0.1:
            del holder[key]
        elif action < 0.2 and isinstance(holder, dict):
            holder[str(rng.choice(ABSURD))[:50]] = holder.pop(key)
        elif action < 0.3 and isinstance(holder[key], int):
            holder[key] *= rng.choice([-1, 2, 10, 1000, 10**6])
        else:
            holder[key] = rng.choice(ABSURD)
    return json.dumps(value).encode()


class Fuzz:
    """Seeds, one worker, and what was found.

    Parameters
    ----------
    folder
        Scratch folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seeds = folder / "seeds"
        self.tries: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.found: list[str] = []
        self.most: Counter[str] = Counter()
        self.seconds: Counter[str] = Counter()
        self.worker: subprocess.Popen[str] | None = None
        self._make_seeds()

    def _make_seeds(self) -> None:
        rng = np.random.default_rng(0)
        picture = noise(rng, 32)
        self.images = [encoded(picture, kind) for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP")]
        self.images += [
            encoded(picture, "TIFF", compression=how) for how in ("raw", "tiff_lzw", "tiff_deflate")
        ]
        self.images += [encoded(picture.convert(m), "PNG") for m in ("L", "P", "RGBA", "I;16", "1")]
        self.images.append(encoded(picture, "PNG", icc_profile=b"\0" * 200))
        self.images.append(encoded(picture, "JPEG", exif=Image.Exif().tobytes()))
        self.image = self.seeds / "image.png"
        self.seeds.mkdir(parents=True)
        picture.save(self.image)
        rows = [{"image": {"bytes": each, "path": "a"}, "label": n % 2} for n, each in enumerate(
            self.images)]  # fmt: skip
        pl.DataFrame(rows).write_parquet(self.seeds / "table.parquet")
        shutil.copytree(ZOO / "natural-32", self.seeds / "diffusers")
        shutil.copytree(ZOO / "natural-32-cnn", self.seeds / "cnn")
        self._make_transformers()
        table = trial_table(["cat", "dog", None, "cat"], observer="subject-01", dataset="edge")
        write_csv(table.with_columns(session=1), self.seeds / "csv")
        (self.csv,) = (self.seeds / "csv").rglob("*.csv")
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name in ("edge/cat/1.png", "edge/" + "long" * 60 + "/é.png", "edge/dog/2.png"):
                info = tarfile.TarInfo(name)
                info.size = len(self.images[0])
                tar.addfile(info, io.BytesIO(self.images[0]))
        self.archive = buffer.getvalue()

    def _make_transformers(self) -> None:
        import transformers as tf

        torch.manual_seed(0)
        small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
        vit = tf.ViTConfig(image_size=32, patch_size=8, num_attention_heads=2, **small)
        vit.num_labels = 1000
        tf.ViTForImageClassification(vit).save_pretrained(self.seeds / "vit")
        size = {"height": 32, "width": 32}
        tf.ViTImageProcessor(size=size).save_pretrained(self.seeds / "vit")

    def run(self, kind: str, number: int) -> None:
        """Make one try of a kind; the number decides all of it."""
        rng = random.Random(f"{kind}:{number}")
        place = self.folder / "try"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        told = KINDS[kind](self, rng, place)
        begun = time.monotonic()
        answer = self.ask(told)
        self.seconds[kind] += time.monotonic() - begun
        self.tries[kind] += 1
        self.refused[kind] += answer.get("code") == 2
        self.most[kind] = max(self.most[kind], answer.get("memory", 0))
        if wrong := self.wrong(answer):
            self.found.append(f"{kind}:{number}: {wrong}")

    def wrong(self, answer: dict[str, Any]) -> str:
        """Return what an answer breaks of the rule."""
        if "code" not in answer:
            return answer["dead"]
        said = answer["said"]
        if answer["code"] not in (0, 2):
            return f"exit code {answer['code']}: {said[-1500:]}"
        lines = [line for line in said.splitlines() if line.strip()]
        if answer["code"] == 2 and not lines:
            return "exit code 2, and no word why"
        for line in lines:
            if not line.isprintable():
                return f"characters that are not printed: {line!r}"
            if not BEGINS.match(line):
                return f"no sentence of ours: {line[:500]}"
        said_ours = [line for line in lines if line.startswith("synthesight: ")]
        if len(said_ours) > 1 and not any(" images could not be read:" in line for line in lines):
            return f"more than one sentence: {said[:800]}"
        if len(said) > 3000 * max(1, len(lines)):
            return f"a sentence of {len(said)} characters: {said[:300]}"
        if answer["memory"] > MOST:
            return f"{answer['memory'] / 1e9:.2f} GB of memory"
        return ""

    def ask(self, told: list[Any], seconds: float = SECONDS) -> dict[str, Any]:
        """Let the worker do something, and wait for its answer."""
        if self.worker is None:
            self.start()
        assert self.worker is not None
        assert self.worker.stdin is not None
        assert self.worker.stdout is not None
        self.worker.stdin.write(json.dumps(told) + "\n")
        self.worker.stdin.flush()
        ready, _, _ = select.select([self.worker.stdout], [], [], seconds)
        line = self.worker.stdout.readline() if ready else ""
        if line:
            return json.loads(line)
        dead = "no answer in a minute" if not ready else f"the process died ({self.worker.wait()})"
        self.stop()
        return {"dead": dead}

    def start(self) -> None:
        """Start a worker, and let it import what all kinds need."""
        self.worker = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("fuzz_worker.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env=os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        for model in (
            self.seeds / "diffusers",
            self.seeds / "cnn",
            f"transformers:{self.seeds}/vit",
        ):
            answer = self.ask(["command", classify(self.image, model)], 300)
            assert answer.get("code") == 0, answer
        self.ask(["ready"])

    def stop(self) -> None:
        """End the worker."""
        if self.worker is not None:
            self.worker.kill()
            self.worker.wait()
            self.worker = None

    def summary(self) -> str:
        """Return a line a kind, and what was found."""
        lines = [
            f"{kind:12} {self.tries[kind]:6} tries, {self.refused[kind]:6} refused, "
            f"{self.seconds[kind]:4.0f} s, at most {self.most[kind] / 1e9:.2f} GB"
            for kind in self.tries
        ]
        return "\n".join([*lines, f"{len(self.found)} broke the rule", *self.found])


def classify(image: Path, model: Any, *, generative: bool = False) -> list[str]:
    options = ["--classes", "cat,dog", "--device", "cpu"]
    few = ["--max-draws", "2"] if generative else []
    return [str(each) for each in ("classify", image, "--model", model, *options, *few)]


def images(fuzz: Fuzz, rng: random.Random, place: Path) -> list[Any]:
    for n in range(8):
        suffix = rng.choice(["png", "jpg", "gif", "webp", "bmp", "tif"])
        (place / f"{n}.{suffix}").write_bytes(mangled(rng, rng.choice(fuzz.images)))
    return ["command", classify(place, "natural-32-cnn")]


def csv(fuzz: Fuzz, rng: random.Random, place: Path) -> list[Any]:
    path = place / "edge" / fuzz.csv.name
    path.parent.mkdir()
    path.write_bytes(mangled(rng, fuzz.csv.read_bytes()))
    return ["command", ["export", str(place / "edge"), "--out", str(place / "out")]]


def parquet(fuzz: Fuzz, rng: random.Random, place: Path) -> list[Any]:
    path = place / "table.parquet"
    path.write_bytes(mangled(rng, (fuzz.seeds / "table.parquet").read_bytes()))
    return ["command", classify(path, "natural-32-cnn")]


def model(kind: str) -> Callable[[Fuzz, random.Random, Path], list[Any]]:
    def make(fuzz: Fuzz, rng: random.Random, place: Path) -> list[Any]:
        folder = place / "model"
        shutil.copytree(fuzz.seeds / kind, folder)
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        settings = [path for path in files if path.suffix == ".json"]
        weights = [path for path in files if path.suffix == ".safetensors"]
        if rng.random() < 0.8:
            path = rng.choice(settings)
            path.write_bytes(absurd_json(rng, path.read_bytes()))
        elif rng.random() < 0.8:
            path = rng.choice(weights)
            content = path.read_bytes()
            size = 8 + int.from_bytes(content[:8], "little")
            header = content[8:size]
            if rng.random() < 0.5:
                header = absurd_json(rng, header)
                path.write_bytes(len(header).to_bytes(8, "little") + header + content[size:])
            else:
                path.write_bytes(mangled(rng, content[:size]) + content[size:])
        else:
            rng.choice(files).unlink()
        name = f"transformers:{folder}" if kind == "vit" else folder
        return ["command", classify(fuzz.image, name, generative=kind == "diffusers")]

    return make


def archives(fuzz: Fuzz, rng: random.Random, place: Path) -> list[Any]:
    path = place / "a.tar"
    path.write_bytes(mangled(rng, fuzz.archive))
    return ["unpack", str(path), str(place / "out")]


def runs(fuzz: Fuzz, rng: random.Random, place: Path) -> list[Any]:
    seed = fuzz.seeds / "run"
    stimuli = fuzz.seeds / "photos"
    evaluate = [
        "evaluate",
        "--stimuli",
        str(stimuli),
        "--model",
        "natural-32-cnn",
        "--device",
        "cpu",
    ]
    if not seed.exists():
        for n in range(4):
            path = stimuli / ("cat", "dog")[n % 2] / f"{n}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(fuzz.images[0])
        answer = fuzz.ask(["command", [*evaluate, "--out", str(seed)]])
        assert answer["code"] == 0, answer
    run = place / "run"
    shutil.copytree(seed, run)
    path = rng.choice([path for path in sorted(run.rglob("*")) if path.is_file()])
    content = path.read_bytes()
    if path.suffix == ".json" and content.lstrip()[:1] == b"{":
        path.write_bytes(absurd_json(rng, content))
    else:
        path.write_bytes(mangled(rng, content))
    way = rng.choice(["export", "evaluate", "cite", "report"][: 3 if rng.random() < 0.97 else 4])
    if way == "evaluate":
        return ["command", [*evaluate, "--out", str(run)]]
    out = [] if way == "cite" else ["--out", str(place / "out")]
    return ["command", [way, str(run), *out]]


def classes(fuzz: Fuzz, rng: random.Random, place: Path) -> list[Any]:
    alphabet = [
        "a", "cat", " ", "é", "😀", "<", "</script>", "<!--", "\x1b[31m", "{class}", "=", "[red]",
        "\u202e", "\n", "\t", "%", "\\", "|", "`", "'", '"', "x" * 300, "\0",
    ]  # fmt: skip
    names = ["".join(rng.choices(alphabet, k=rng.choice([0, 1, 2, 5, 60]))) for _ in range(3)]
    told = classify(fuzz.image, fuzz.seeds / "diffusers", generative=True)
    told[told.index("--classes") + 1] = ",".join(names)
    if rng.random() < 0.5:
        path = place / "classes.txt"
        path.write_bytes(mangled(rng, "\n".join(names).encode()))
        told[told.index("--classes") + 1] = str(path)
    return ["command", told]


KINDS: dict[str, Callable[[Fuzz, random.Random, Path], list[Any]]] = {
    "images": images, "csv": csv, "parquet": parquet, "diffusers": model("diffusers"),
    "cnn": model("cnn"), "transformers": model("vit"), "archives": archives, "runs": runs,
    "classes": classes,
}  # fmt: skip


def fuzz(seconds: float, kinds: list[str], first: int = 0) -> Fuzz:
    """Try for so many seconds, each kind in turn."""
    with tempfile.TemporaryDirectory() as name:
        made = Fuzz(Path(name))
        try:
            number, end = first, time.monotonic() + seconds
            while True:
                for kind in kinds:
                    made.run(kind, number)
                number += 1
                if time.monotonic() >= end:
                    break
        finally:
            made.stop()
    return made


def main() -> None:
    seconds, *names = sys.argv[1:]
    if names and ":" in names[0]:
        kind, number = names[0].split(":")
        made = fuzz(0, [kind], int(number))
    else:
        made = fuzz(float(seconds), names or list(KINDS), int(os.environ.get("FUZZ_FIRST", "0")))
    print(made.summary())
    sys.exit(bool(made.found))


if __name__ == "__main__":
    main()
