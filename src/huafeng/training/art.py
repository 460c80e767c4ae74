"""Train the base generator and the codes of all styles of a recipe together.

    python -m huafeng.training.art recipes/art.json --data DATA --features squeezenet1_0.safetensors --out RUN --minutes 90

The run folder gets stats.jsonl, sample grids (held-out photos, EMA weights) and one checkpoint, from which --resume goes on.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from tqdm import tqdm

from huafeng.pixels import U8
from huafeng.training import losses
from huafeng.training.data import batches, list_pictures, read_picture, to_batch
from huafeng.training.features import CONTENT_LAYER, STYLE_LAYERS, SqueezeNet
from huafeng.training.network import Discriminator, Generator, GeneratorShape

MARGIN = 8  # px around the crop that the losses never see: zero padding shows there


@dataclass
class Works:
    """One style's training material."""

    name: str
    pictures: list[U8]
    collection: bool


def ink_tone(picture: U8, tint: tuple[float, float, float]) -> U8:
    """Luminance only, paper stretched to near white, then tinted: takes the colour casts of slide scans away."""
    luma = np.asarray(Image.fromarray(picture).convert("L"), dtype=np.float32)
    low, high = np.percentile(luma, (1, 85))
    toned = np.clip((luma - low) / max(high - low, 1.0), 0, 1) * 0.93 + 0.04
    return np.rint(toned[:, :, None] * np.asarray(tint, np.float32) * 255).astype(np.uint8)


def load_works(name: str, spec: dict[str, Any], data: Path) -> Works:
    """Read a style's works as the recipe says: short side, trimmed rims, tone."""
    where = data / spec["works"]
    pictures = []
    for path in list_pictures(where) if where.is_dir() else [where]:
        picture = read_picture(path, spec["short_side_px"])
        if trim := spec.get("trim", 0.0):
            dy, dx = round(picture.shape[0] * trim), round(picture.shape[1] * trim)
            picture = picture[dy:-dy, dx:-dx]
        pictures.append(ink_tone(picture, tuple(spec["tint"])) if "tint" in spec else picture)
    return Works(name, pictures, bool(spec.get("collection")))


def palette(pictures: Tensor, levels: int = 4) -> Tensor:
    """[B, 3, H, W] in 0..1 -> square roots of a colour histogram [B, levels^3]: their distance is Hellinger's."""
    small = F.adaptive_avg_pool2d(pictures, 48).clamp(0, 0.999)
    bins = (small * levels).long()
    index = (bins[:, 0] * levels + bins[:, 1]) * levels + bins[:, 2]  # [B, 48, 48]
    return F.one_hot(index.flatten(1), levels**3).float().mean(1).sqrt()


class Targets:
    """What a style wants: the Gram matrices of those of its works whose colours are nearest to the photo's.

    One mean over a whole collection would ask every picture for every colour that the painter ever used, in blotches.
    """

    NEAREST = 5

    @torch.no_grad()
    def __init__(self, works: Works, features: SqueezeNet) -> None:
        grams: dict[str, list[Tensor]] = {k: [] for k in STYLE_LAYERS}
        for picture in tqdm(works.pictures, desc=works.name, leave=False):
            found = features(to_batch([picture]))
            for k in STYLE_LAYERS:
                grams[k].append(losses.gram(found[k]).to(torch.bfloat16))
        self.grams = {k: torch.cat(grams[k]) for k in STYLE_LAYERS}
        self.palettes = torch.cat([palette(to_batch([picture])) for picture in works.pictures])

    def nearest(self, photo: Tensor) -> Tensor:
        """Photo [3, H, W] -> indices of the works with the nearest colours, nearest first."""
        distance = (self.palettes - palette(photo[None])).square().sum(1)
        return distance.topk(min(self.NEAREST, len(distance)), largest=False).indices

    def gram(self, layer: str, chosen: Tensor) -> Tensor:
        """Mean Gram matrix [C, C] of the chosen works."""
        return self.grams[layer][chosen].float().mean(0)


M = TypeVar("M", bound=nn.Module)


def channels_last(module: M) -> M:
    """Weights in the memory layout in which convolutions are fastest here."""
    return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


class Trainer:
    """Holds networks, optimisers, targets; `step` is one iteration."""

    def __init__(self, recipe: dict[str, Any], data: Path, features: Path, seed: int) -> None:
        torch.manual_seed(seed)
        self.recipe, self.rng = recipe, random.Random(seed)
        self.features = channels_last(SqueezeNet(features))
        self.works = [load_works(name, spec, data) for name, spec in recipe["styles"].items()]
        self.collections = torch.tensor([w.collection for w in self.works])
        self.targets = [Targets(w, self.features) for w in self.works]
        every = recipe["hold_out_every"]
        folders = [list_pictures(data / f) for f in recipe["photos"]]
        paths = [p for folder in folders for i, p in enumerate(folder) if i % every]
        held = [p for folder in folders for p in folder[::every]]
        self.held = [read_picture(p, 384) for p in random.Random(1).sample(held, min(6, len(held)))]
        photos = [read_picture(p, 384) for p in paths]
        side = recipe["crop_px"] + 2 * MARGIN
        self.photos = batches(photos, recipe["batch"], side, seed, (0.4, 1.0))
        self.generator = channels_last(Generator(GeneratorShape()))
        self.codes = nn.Parameter(torch.randn(len(self.works), self.generator.shape.code))
        self.discriminator = Discriminator(len(self.works))
        self.ema = copy.deepcopy(self.generator).requires_grad_(False)
        self.ema_codes = self.codes.detach().clone()
        self.g_opt = torch.optim.Adam([*self.generator.parameters(), self.codes], betas=(0.9, 0.99))
        self.d_opt = torch.optim.Adam(self.discriminator.parameters(), betas=(0.0, 0.99))
        self.steps, self.seconds = 0, 0.0

    def state(self) -> dict[str, Any]:
        """Everything that `load` needs to go on; tensors and plain values only."""
        parts = ("generator", "discriminator", "ema", "g_opt", "d_opt")
        return {p: getattr(self, p).state_dict() for p in parts} | {
            "codes": self.codes.detach(), "ema_codes": self.ema_codes, "steps": self.steps, "seconds": self.seconds,
            "names": [w.name for w in self.works],
        }  # fmt: skip

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        for part in ("generator", "discriminator", "ema", "g_opt", "d_opt"):
            getattr(self, part).load_state_dict(state[part])
        self.codes.data.copy_(state["codes"])
        self.ema_codes.copy_(state["ema_codes"])
        self.steps, self.seconds = state["steps"], state["seconds"]

    def step(self, progress: float) -> dict[str, float]:
        """One step of generator and discriminator at `progress` 0..1 of the time; returns the weighted losses."""
        r = self.recipe
        rate = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0))) * 0.97 + 0.03
        warm = min(1.0, (self.steps + 1) / 100)
        photo = next(self.photos).contiguous(memory_format=torch.channels_last)
        style = torch.randint(len(self.works), (len(photo),))
        adversarial = r["adversarial"] if progress >= r["adversarial_from"] else 0.0
        drawn = self.collections[style] if adversarial else torch.zeros_like(style, dtype=torch.bool)

        # Generator phase: min content + style + variation + flat + calm + grid - D(G(x, s))
        with torch.autocast("cpu", torch.bfloat16):
            made = self.generator(photo, self.codes[style])
        # A random offset: the loss network's strides must not teach the generator a grid of their own phase.
        dy, dx = (self.rng.randint(0, 2 * MARGIN) for _ in range(2))
        window = (..., slice(dy, dy + r["crop_px"]), slice(dx, dx + r["crop_px"]))
        made, photo = made[window], photo[window]
        with torch.autocast("cpu", torch.bfloat16):
            found = self.features(made)
            with torch.no_grad():
                wanted = self.features(photo, CONTENT_LAYER)[CONTENT_LAYER]
        chosen = [self.targets[int(s)].nearest(p) for s, p in zip(style, photo, strict=True)]
        targets = [
            torch.stack([self.targets[int(s)].gram(k, c) for s, c in zip(style, chosen, strict=True)]) for k in STYLE_LAYERS
        ]
        grams = [losses.gram(found[k]) for k in STYLE_LAYERS]
        parts = {
            "content": r["content"] * losses.content_loss(found[CONTENT_LAYER], wanted),
            "style": r["style"] * sum(map(losses.style_loss, grams, targets)) / len(STYLE_LAYERS),
            "variation": r["total_variation"] * losses.total_variation(made),
            "flat": r["flat"] * losses.flatness_loss(made, photo),  # no blotches
            "calm": r["calm"] * losses.flatness_loss(made, photo, cell=2, edge=0.02),  # no texture noise in a clear sky
            "grid": r["grid"] * losses.grid_excess(made),
        }  # fmt: skip
        if drawn.any():
            parts["fool"] = adversarial * losses.hinge_generator(self.discriminator(made[drawn], style[drawn]))
        total = sum(parts.values(), torch.zeros(()))
        if not torch.isfinite(total):
            raise FloatingPointError(f"not finite at step {self.steps}: { {k: float(v.detach()) for k, v in parts.items()} }")
        self.g_opt.param_groups[0]["lr"] = r["learning_rate"] * rate * warm
        self.g_opt.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_([*self.generator.parameters(), self.codes], 5.0)
        self.g_opt.step()

        # Discriminator phase: min max(0, 1 - D(work, s)) + max(0, 1 + D(G(x, s)))
        if drawn.any():
            kinds = style[drawn]
            near = [self.rng.choice(c.tolist()) for c, d in zip(chosen, drawn, strict=True) if d]
            real = to_batch([self.work_crop(int(s), work) for s, work in zip(kinds, near, strict=True)])
            d_loss = losses.hinge_discriminator(
                self.discriminator(real, kinds), self.discriminator(made[drawn].detach(), kinds)
            )
            self.d_opt.param_groups[0]["lr"] = r["discriminator_rate"] * rate
            self.d_opt.zero_grad(set_to_none=True)
            d_loss.backward()
            self.d_opt.step()
            parts["critic"] = d_loss

        decay = min(r["ema"], (self.steps + 1) / (self.steps + 10))
        with torch.no_grad():
            for slow, fast in zip(self.ema.parameters(), self.generator.parameters(), strict=True):
                slow.lerp_(fast, 1 - decay)
            self.ema_codes.lerp_(self.codes, 1 - decay)
        self.steps += 1
        return {k: float(v.detach()) for k, v in parts.items()}

    def work_crop(self, style: int, work: int) -> U8:
        """A random square crop of the recipe's size out of one of the style's works, mirrored half the time."""
        side = self.recipe["crop_px"]
        picture = self.works[style].pictures[work]
        h, w = picture.shape[:2]
        if min(h, w) < side:
            scale = side / min(h, w)
            picture = np.asarray(Image.fromarray(picture).resize((math.ceil(w * scale), math.ceil(h * scale))))
            h, w = picture.shape[:2]
        y, x = self.rng.randint(0, h - side), self.rng.randint(0, w - side)
        crop = picture[y : y + side, x : x + side]
        return crop[:, ::-1].copy() if self.rng.random() < 0.5 else crop

    @torch.no_grad()
    def samples(self, path: Path, side: int = 256) -> None:
        """A grid: held-out photos down, styles across."""
        rows = []
        for photo in self.held:
            h, w = (side, photo.shape[1] * side // photo.shape[0])
            small = np.asarray(Image.fromarray(photo).resize((max(w, side), max(h, side)), Image.Resampling.LANCZOS))
            small = small[:side, (small.shape[1] - side) // 2 :][:, :side]
            batch = to_batch([small]).expand(len(self.works), -1, -1, -1)
            made = self.ema(batch, self.ema_codes)
            row = torch.cat([batch[:1], made]).permute(2, 0, 3, 1).reshape(side, -1, 3)
            rows.append((row * 255).round().to(torch.uint8).numpy())
        Image.fromarray(np.concatenate(rows)).save(path)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder that the recipe's paths start from")
    parser.add_argument("--features", type=Path, required=True, help="squeezenet1_0.safetensors")
    parser.add_argument("--out", type=Path, required=True, help="run folder")
    parser.add_argument("--minutes", type=float, default=90.0, help="training time in all, resumed parts counted in")
    parser.add_argument("--resume", action="store_true", help="go on from the run folder's checkpoint")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    recipe = json.loads(args.recipe.read_text(encoding="utf-8"))
    args.out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(recipe, args.data, args.features, args.seed)
    checkpoint = args.out / "checkpoint.pt"
    if args.resume:
        trainer.load(torch.load(checkpoint, weights_only=True))
    (args.out / "options.json").write_text(json.dumps(recipe | {"minutes": args.minutes, "seed": args.seed}, indent=1))
    before, start, saved = trainer.seconds, time.monotonic(), trainer.seconds
    with (args.out / "stats.jsonl").open("a") as stats:
        while trainer.seconds < args.minutes * 60:
            parts = trainer.step(trainer.seconds / (args.minutes * 60))
            trainer.seconds = before + time.monotonic() - start
            if trainer.steps % 20 == 0:
                line = {"step": trainer.steps, "minutes": round(trainer.seconds / 60, 2)}
                stats.write(json.dumps(line | {k: round(v, 4) for k, v in parts.items()}) + "\n")
                stats.flush()
            if trainer.seconds - saved > 300:
                saved = trainer.seconds
                save(trainer, checkpoint)
    save(trainer, checkpoint)


def save(trainer: Trainer, checkpoint: Path) -> None:
    """Checkpoint, whole or not at all, and a sample grid beside it."""
    temporary = checkpoint.with_suffix(".tmp")
    torch.save(trainer.state(), temporary)
    temporary.replace(checkpoint)
    trainer.samples(checkpoint.parent / f"samples_{trainer.steps:06d}.png")


if __name__ == "__main__":
    main()
