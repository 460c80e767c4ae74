"""The generator file and its runtime: what it makes, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import tinygenerator
from hypothesis import given, settings
from hypothesis import strategies as st

from huafeng import Generator, Style
from huafeng.errors import GeneratorError, StyleError
from huafeng.generator import FORMAT, LABEL, Header, walk


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("generators")
    tinygenerator.write(found / "tiny.generator")
    tinygenerator.write(found / "pair.generator", "plain", ("monet", "ink"))
    return found


@pytest.fixture(scope="module")
def tiny(folder: Path) -> Generator:
    return Generator(folder / "tiny.generator", threads=1)


@pytest.fixture(scope="module")
def pair(folder: Path) -> Generator:
    return Generator(folder / "pair.generator", threads=1)


def test_a_seed_gives_the_same_pictures_bit_for_bit_however_many(folder: Path, tiny: Generator) -> None:
    three = tiny.generate(3, seed=5)
    assert three.shape == (3, 32, 32, 3)
    assert three.dtype == np.uint8
    assert (Generator(folder / "tiny.generator", threads=1).generate(2, seed=5) == three[:2]).all()
    assert (tiny.generate(3, seed=6) != three).any()
    assert (three[0] != three[1]).any()
    assert (tiny.generate(latents=tiny.latents(3, 5)) == three).all()


def test_truncation_leads_to_the_mean_picture(tiny: Generator) -> None:
    mean = tiny.generate(3, seed=1, truncation=0)
    assert (mean == mean[0]).all()
    assert (mean[0] == tiny.generate(1, seed=2, truncation=0)[0]).all()
    z = tiny.latents(1, 1)
    half, whole = tiny.ws(z, truncation=0.5), tiny.ws(z)
    np.testing.assert_allclose(half, (tiny.mean + whole) / 2, atol=1e-6)


def test_a_style_is_one_of_the_classes(pair: Generator, tiny: Generator) -> None:
    z = pair.latents(2, 0)
    monet, ink = (pair.generate(latents=z, style=name) for name in ("monet", "ink"))
    assert (monet != ink).any()
    both = pair.generate(latents=z)  # in turn
    assert (both[0] == monet[0]).all()
    assert (both[1] == ink[1]).all()
    means = [pair.generate(1, truncation=0, style=name) for name in ("monet", "ink")]
    assert (means[0] != means[1]).any()
    with pytest.raises(GeneratorError, match="has no style 'monnet': did you mean 'monet'"):
        pair.generate(1, style="monnet")
    with pytest.raises(GeneratorError, match="has no style 'xyz': it knows monet, ink"):
        pair.generate(1, style="xyz")
    with pytest.raises(GeneratorError, match="knows one manner only: leave the style 'monet' away"):
        tiny.generate(1, style="monet")


def test_the_file_says_what_it_is(tiny: Generator, pair: Generator) -> None:
    header = tiny.header
    assert (header.label, header.counts["pictures"], header.card.consent) == (LABEL, 3, "nobody is shown")
    assert (header.network["network"], header.card.title_zh) == ("style", "小")
    assert pair.header.classes == ("monet", "ink")
    assert pair.header.noise == 0 < header.noise
    assert header.counts["weights"] == sum(value.size for value in tiny.weights.values())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"n": 0}, "from 1 to 10,000, not 0"),
        ({"n": -3}, "from 1 to 10,000, not -3"),
        ({"n": 1.5}, "from 1 to 10,000, not 1.5"),
        ({"n": True}, "from 1 to 10,000, not True"),
        ({"n": 10_001}, "from 1 to 10,000"),
        ({"seed": -1}, "whole number from 0 on, not -1"),
        ({"truncation": -0.1}, "from 0 \\(the mean picture\\) to 1, not -0.1"),
        ({"truncation": 1.01}, "not 1.01"),
        ({"truncation": float("nan")}, "not nan"),
        ({"latents": np.zeros((2, 5), np.float32)}, r"shape \(2, 5\), this generator needs n x 6"),
        ({"latents": np.zeros(6, np.float32)}, "needs n x 6"),
        ({"latents": np.full((1, 6), np.inf, np.float32)}, "NaN or an infinite value"),
    ],
)
def test_what_cannot_be_made_is_told(tiny: Generator, arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(GeneratorError, match=told):
        tiny.generate(**arguments)


# ---- the file


def changed(path: Path, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> bytes:
    """The file's bytes after a change of its header and tensors."""
    data = path.read_bytes()
    header, tensors = FORMAT.header(data), FORMAT.tensors(data)
    change(header, tensors)
    text = json.dumps(header)
    return bytes(safetensors.numpy.save(tensors, metadata={"huafeng": text}))


def test_damaged_foreign_and_newer_files_are_refused(folder: Path) -> None:
    path = folder / "tiny.generator"
    cases: tuple[tuple[Callable[[dict[str, Any], dict[str, Any]], None], str], ...] = (
        (lambda h, t: h.update(version=2), "made by a newer Huafeng (format 2): update Huafeng"),
        (lambda h, t: h.update(version="1"), "format version is '1'"),
        (lambda h, t: h.update(kind="look"), "of the kind 'look', not a generator"),
        (lambda h, t: h.update(more=1), "unknown field 'more'"),
        (lambda h, t: h.pop("label"), "lacks the field 'label'"),
        (lambda h, t: h.update(label="two\nlines"), "label is"),
        (lambda h, t: h.update(name="A B"), "'A B' is not a name that can be used"),
        (lambda h, t: h.update(classes="monet"), "classes is 'monet', which is of the wrong type"),
        (lambda h, t: h.update(classes=["a", "b"]), "does not fit its classes"),
        (lambda h, t: h.update(network={}), "'side' is None"),
        (lambda h, t: h.update(noise=-1), "'noise' is -1"),
        (lambda h, t: h.update(counts={"pictures": "many"}), "'pictures' is 'many'"),
        (lambda h, t: h["card"].update(author=5), "card cannot be used"),
        (lambda h, t: h.update(card=[]), "card is [], it must be an object"),
        (lambda h, t: t.pop("mean"), "its graphs or its mean are missing"),
        (lambda h, t: t.update(mean=np.full_like(t["mean"], np.nan)), "'mean' holds a NaN"),
        (lambda h, t: t.update(mean=np.zeros((1, 99), np.float32)[:, :0]), "its mean does not fit its graph"),
        (lambda h, t: t.update({"graph.synthesis": np.zeros(9, np.uint8)}), "is damaged"),
        (lambda h, t: t.pop("synthesis.constant"), "is damaged"),
        (lambda h, t: h["network"].update(side=64), "makes no pictures of its size"),
        (lambda h, t: h["network"].update(latent=7), "is damaged"),
        (lambda h, t: t.update({"graph.mapping": t["mean"]}), "it must be U8"),
    )
    for change, told in cases:
        with pytest.raises(GeneratorError) as error:
            Generator.from_bytes(changed(path, change), threads=1).generate(1)
        assert told in str(error.value), (told, str(error.value))
        assert "\n" not in str(error.value)
    data = path.read_bytes()
    for cut in (b"", data[:4], data[:100], data[:-1], b"PNG" * 100):
        with pytest.raises(GeneratorError):
            Generator.from_bytes(cut)
    with pytest.raises(GeneratorError, match="cannot be read"):
        Generator(folder / "gone.generator")
    with pytest.raises(StyleError, match="The style's tensor 'graph.mapping' is of type 'U8'"):
        Style.load(path)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_damage_is_one_of_our_errors(folder: Path, data: st.DataObject) -> None:
    whole = bytearray((folder / "pair.generator").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, 3000))] = data.draw(st.integers(0, 255))
    try:
        Generator.from_bytes(bytes(whole), threads=1)
    except GeneratorError as error:
        assert len(str(error).splitlines()) == 1


def test_the_same_content_gives_the_same_bytes(folder: Path) -> None:
    data = (folder / "tiny.generator").read_bytes()
    assert Header.read(data).packed(FORMAT.tensors(data)) == data
    other = replace(Header.read(data), name="other")
    assert Header.read(other.packed({})).name == "other"


# ---- walks


def test_a_walk_is_closed_smooth_and_normal() -> None:
    z = walk(400, 12, 3, 240)
    assert z.shape == (240, 400)
    steps = np.linalg.norm(np.roll(z, -1, 0) - z, axis=1)  # the last one leads back to the start
    assert steps.max() < 1.5 * steps.min()
    sizes = np.square(z).mean(1)  # a chi square over its 400 degrees: deviation 0.07
    assert sizes.min() > 0.75
    assert sizes.max() < 1.25
    assert (walk(400, 12, 3, 240) == z).all()
    assert (walk(400, 12, 4, 240) != z).any()


def test_a_longer_walk_keeps_the_pace() -> None:
    paces = []
    for seconds in (12, 48):
        z = walk(1000, seconds, 0, seconds * 24)
        paces.append(np.linalg.norm(z[1] - z[0]))
    assert paces[0] == pytest.approx(paces[1], rel=0.3)
