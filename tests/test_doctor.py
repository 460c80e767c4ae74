"""`huafeng doctor`: what it sees in a set of pictures, and what it says of it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from conftest import U8, Run
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from huafeng.errors import DataError
from huafeng.pixels import F32, resize
from huafeng.training.doctor import Look, examine, look_of, near_duplicates
from huafeng.training.prepare import prepare


@pytest.fixture
def set_of_all_sorts(tmp_path: Path, astronaut: U8, chelsea: U8, coffee: U8, rocket: U8, heic_bytes: bytes) -> Path:
    folder = tmp_path / "set"
    (folder / "more").mkdir(parents=True)
    Image.fromarray(astronaut).save(folder / "astronaut.png")
    (folder / "more" / "again.png").write_bytes((folder / "astronaut.png").read_bytes())
    Image.fromarray(resize(astronaut, 300, 300)).save(folder / "more" / "smaller.jpg", quality=60)
    Image.fromarray(coffee).convert("L").convert("RGB").save(folder / "grey.jpg")
    clear = Image.fromarray(rocket).convert("RGBA")
    clear.putalpha(Image.fromarray(np.tile(np.arange(640) // 3, (427, 1)).astype(np.uint8)))
    clear.save(folder / "clear.webp")
    opaque = Image.fromarray(np.ascontiguousarray(rocket[:, ::-1])).convert("RGBA")
    opaque.save(folder / "opaque.png")
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(chelsea).save(folder / "lying.jpg", exif=exif)
    (folder / "phone.heic").write_bytes(heic_bytes)
    (folder / "cut.jpg").write_bytes((folder / "lying.jpg").read_bytes()[:9000])
    (folder / "text.jpg").write_bytes(b"this is only text, whatever its name is")
    (folder / "notes.txt").write_text("notes")
    return folder


def test_all_sorts(set_of_all_sorts: Path) -> None:
    told: list[tuple[int, int]] = []
    facts = examine(set_of_all_sorts, lambda done, total: told.append((done, total)))
    assert told == [(i, 10) for i in range(1, 11)]
    assert (facts.files, facts.readable, facts.different) == (10, 8, 7)
    assert facts.formats == {"PNG": 3, "JPEG": 3, "WEBP": 1, "HEIC": 1}
    assert facts.short_side_px == {"min": 24, "median": 414, "max": 512}  # 24 300 300 400 427 427 512 512
    assert facts.exact_duplicates == [["astronaut.png", "more/again.png"]]
    assert facts.near_duplicates == [["astronaut.png", "more/smaller.jpg"]]
    assert facts.grey == ["grey.jpg"]
    assert facts.transparent == ["clear.webp"]
    assert facts.turned == ["lying.jpg"]
    assert facts.small == ["phone.heic"]
    assert list(facts.unreadable) == ["cut.jpg", "text.jpg"]
    assert "cut off or damaged" in facts.unreadable["cut.jpg"]
    assert facts.others == {".txt": 1}
    assert facts.megabytes == round(
        sum(p.stat().st_size for p in set_of_all_sorts.rglob("*") if p.suffix[1:] not in ("", "txt")) / 1e6, 1
    )


def test_estimates_by_hand(tmp_path: Path) -> None:
    """Ten of 2000 x 1000: 20 MP, prepared 10 x 1024 x 512 = 5.24 MP, in memory 10 x 768 x 384 x 3 bytes = 8.8 MB."""
    noise = np.random.Generator(np.random.PCG64(0))
    for i in range(10):
        small = noise.integers(0, 256, (4, 8, 3), np.uint8)
        Image.fromarray(small).resize((2000, 1000)).save(tmp_path / f"{i}.jpg", quality=30)
    facts = examine(tmp_path)
    assert facts.near_duplicates == []
    assert facts.memory_mb == 800 + 9
    assert facts.prepare_mb == round(5.24 * 0.5)
    from huafeng.stylizer import cores

    assert facts.prepare_s == round((20 * 0.003 + 5.24 * 0.011) / cores(), 1)
    assert facts.training_minutes == {"fast-style": 22, "art": 72}


def said(facts) -> str:
    return " ".join(facts.advice)


def test_advice_says_which_recipe(tmp_path: Path, coffee: U8) -> None:
    for i in range(101):
        Image.fromarray(coffee[i : i + 280, 2 * i : 2 * i + 280]).save(tmp_path / f"{i:03}.jpg")
        if i == 0:
            assert "One picture: its manner can be learned with the recipe fast-style" in said(examine(tmp_path))
        if i == 7:
            facts = examine(tmp_path)
            assert "8 make a style of the recipe art" in said(facts)
            assert "8 are too few, both recipes need about 100" in said(facts)
    facts = examine(tmp_path)
    assert "101 are enough for both recipes" in said(facts)
    assert not any(word in said(facts) for word in ("grey", "cannot be read", "are large", "enlarged", "pix2pix", "look"))


def test_advice_says_what_to_mend(tmp_path: Path, set_of_all_sorts: Path, coffee: U8) -> None:
    words = said(examine(set_of_all_sorts))
    assert all(word in words for word in ("cannot be read are left out", "Duplicates count twice", "below 256 px"))
    (tmp_path / "large").mkdir()
    Image.fromarray(resize(coffee, 2400, 1600)).convert("L").save(tmp_path / "large" / "x.jpg")
    words = said(examine(tmp_path / "large"))
    assert "Most are grey" in words
    assert "The pictures are large: huafeng prepare" in words


def test_a_set_of_nothing_but_damage(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"text")
    facts = examine(tmp_path)
    assert (facts.readable, facts.short_side_px, facts.near_duplicates) == (0, {}, [])
    assert facts.advice == ["No picture can be read: copy them again from where they came."]


def test_a_shard_is_examined_like_a_folder(set_of_all_sorts: Path, tmp_path: Path) -> None:
    prepare(set_of_all_sorts, tmp_path / "x.tar")
    facts = examine(tmp_path / "x.tar")
    assert (facts.readable, facts.formats, facts.exact_duplicates, facts.others) == (7, {"JPEG": 7}, [], {})
    assert facts.near_duplicates == [["astronaut.jpg", "more/smaller.jpg"]]


# --- looks


def test_a_look_by_hand() -> None:
    """Nine columns: it gets lighter to the right in the upper half only, so the upper 32 of 64 bits are set."""
    picture = np.zeros((80, 90, 3), np.uint8)
    picture[:40] = (np.arange(90) // 10 * 20)[None, :, None]
    picture[40:] = (160 - np.arange(90) // 10 * 20)[None, :, None]
    look = look_of(picture)
    assert look.hash == 0xFFFFFFFF_00000000
    assert look.light.sum() == pytest.approx(0, abs=1e-4)
    assert (look.light @ look.light) == pytest.approx(1)
    assert look_of(np.full_like(picture, 9)).hash == 0


def unit(*values: float) -> F32:
    vector = np.zeros(1024, np.float32)
    vector[: len(values)] = values
    return vector / np.float32(np.linalg.norm(vector))


def test_near_duplicates_by_hand() -> None:
    """1: four bits away; 2: five; 3: equal bits, but uncorrelated; 4: four bits from 1, so in one group with it."""
    same, other = unit(1, 2), unit(2, -1)
    looks = [Look(0, same), Look(0b1111, same), Look(0b11111 << 20, same), Look(0, other), Look(0b1111 | 0b1111 << 40, same)]
    assert near_duplicates(looks) == [[0, 1, 4]]
    assert near_duplicates([]) == []
    chain = [Look(0, same), Look(0b11111111, same), Look(0b1111, same)]  # the last links the others
    assert near_duplicates(chain) == [[0, 1, 2]]


@example(0, {13, 26, 39, 52})  # four of the five parts differ
@example(0, {0, 26, 39, 52})
@example(0, {0, 13, 39, 52})
@example(0, {0, 13, 26, 52})
@example(0, {12, 25, 38, 51})
@given(st.integers(0, 2**64 - 1), st.sets(st.integers(0, 63), max_size=8))
def test_every_pair_within_four_bits_is_found(value: int, flipped: set[int]) -> None:
    other = value
    for bit in flipped:
        other ^= 1 << bit
    light = unit(1, 2, 3)
    assert near_duplicates([Look(value, light), Look(other, light)]) == ([[0, 1]] if len(flipped) <= 4 else [])


def test_copies_are_near_and_other_photos_are_not(tmp_path: Path, astronaut: U8, chelsea: U8, coffee: U8, rocket: U8) -> None:
    groups = []
    for i, photo in enumerate((astronaut, chelsea, coffee, rocket)):
        image = Image.fromarray(photo)
        image.save(tmp_path / f"{i}.png")
        image.resize((image.width // 2, image.height // 2)).save(tmp_path / f"{i}half.jpg", quality=80)
        ImageEnhance.Brightness(image).enhance(1.15).save(tmp_path / f"{i}light.jpg", quality=60)
        groups.append([f"{i}.png", f"{i}half.jpg", f"{i}light.jpg"])
    assert examine(tmp_path).near_duplicates == groups


# --- the command


def test_the_table(huafeng: Run, set_of_all_sorts: Path) -> None:
    ran = huafeng("doctor", "../set")
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    for start, words in {
        "Pictures": "8 of 10 can be read",
        "Formats": "PNG 3, JPEG 3, WEBP 1, HEIC 1",
        "Short side": "24 to 512 px, median 414 px",
        "Cannot be read": "cut.jpg is cut off or damaged",
        "Exact duplicates": "2: astronaut.png = more/again.png",
        "Near duplicates": "2: astronaut.png ~ more/smaller.jpg",
        "Grey": "1: grey.jpg",
        "Transparent": "1: clear.webp",
        "Turned by EXIF": "1: lying.jpg",
        "Below 256 px": "1: phone.heic",
        "Other files": ".txt 1",
        "Training": "fast-style 22 min",
        "Advice": "7 make a style of the recipe art",
    }.items():
        assert any(line.startswith(start) and words in line for line in lines), start


def test_a_sound_set_has_a_short_table(huafeng: Run, tmp_path: Path, astronaut: U8, coffee: U8) -> None:
    for i, photo in enumerate((astronaut, coffee)):
        Image.fromarray(photo).save(tmp_path / "album" / f"{i}.jpg")
    ran = huafeng("doctor", ".")
    labels = [line.split("  ")[0] for line in ran.out.splitlines() if not line.startswith(" ")]
    assert labels == ["Pictures", "Formats", "Short side", "Training", "Memory", "Preparing", "Advice"]


def test_json_has_everything(huafeng: Run, set_of_all_sorts: Path) -> None:
    ran = huafeng("doctor", "../set", "--json")
    assert ran.code == 0
    found = json.loads(ran.out)
    assert found == asdict(examine(Path("../set")))
    assert found["exact_duplicates"] == [["astronaut.png", "more/again.png"]]


def test_many_damaged_files_are_not_all_listed(huafeng: Run, tmp_path: Path) -> None:
    for i in range(15):
        (tmp_path / "album" / f"{i:02}.jpg").write_bytes(b"text")
    ran = huafeng("doctor", ".")
    assert ran.code == 0
    assert "09.jpg" in ran.out
    assert "10.jpg" not in ran.out
    assert "and 5 more (all of them: --json)" in ran.out


@pytest.mark.parametrize(("folder", "words"), [("../gone", "There is no file or folder ../gone"), (".", "has no pictures")])
def test_nothing_to_examine(huafeng: Run, folder: str, words: str) -> None:
    ran = huafeng("doctor", folder)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("Error: ")
    assert words in ran.err
    assert len(ran.err.splitlines()) == 1
    with pytest.raises(DataError):
        examine(Path(folder))


def test_help_shows_an_example_and_imports_nothing_heavy() -> None:
    program = (
        "import sys; from huafeng import cli; code = cli.run(['doctor', '--help'])\n"
        "assert code == 0 and not {'numpy', 'PIL', 'torch', 'rich'} & set(sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "\n  huafeng doctor " in ran.stdout
