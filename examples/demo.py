"""The main job on real photos: every style, a mix, own colours, a masked one. Usage: python examples/demo.py [FOLDER]."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter
from skimage import data


def main(folder: Path) -> None:
    """Write the inputs, run the commands as a user would, and say where the pictures are."""
    folder.mkdir(parents=True, exist_ok=True)
    # scikit-image's photos: Eileen Collins (NASA, public domain) and a cup of coffee (Rachel Michetti, CC0)
    portrait, still = folder / "astronaut.jpg", folder / "coffee.jpg"
    Image.fromarray(data.astronaut()).save(portrait, quality=95)
    Image.fromarray(data.coffee()).save(still, quality=95)
    mask = Image.new("L", (512, 512), 255)  # white is styled: all but the face
    ImageDraw.Draw(mask).ellipse((165, 40, 285, 215), fill=0)
    mask.filter(ImageFilter.GaussianBlur(8)).save(folder / "all-but-the-face.png")

    run("styles")
    run("styles", "--sheet", portrait, "-o", folder / "every-style.jpg", "--force")
    run("styles", "--sheet", still, "-o", folder / "every-style-coffee.jpg", "--force")
    run("apply", "great-wave", portrait, "-o", folder / "great-wave.jpg", "--force")
    run("apply", "starry-night:2+ink:1", portrait, "-o", folder / "mix.jpg", "--force")
    run("apply", "monet", still, "--keep-colors", "--strength", "0.8", "-o", folder / "own-colors.jpg", "--force")
    run("apply", "van-gogh", portrait, "--mask", folder / "all-but-the-face.png", "-o", folder / "masked.jpg", "--force")
    print(f"\nThe pictures are in {folder.resolve()}:")
    for picture in ("every-style", "every-style-coffee", "great-wave", "mix", "own-colors", "masked"):
        print(f"  {folder / picture}.jpg")


def run(*arguments: str | Path) -> None:
    """Show a command and run it."""
    words = [str(argument) for argument in arguments]
    print(f"\n$ huafeng {shlex.join(words)}", flush=True)
    subprocess.run([sys.executable, "-m", "huafeng", *words], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/demo"))
