import io
import json
import os
import random
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from huafeng.errors import OutputError, StyleError
from huafeng.style import Card, Style, check_name, mix_arts, name_of

BASE = "0123456789abcdef" * 4
CARD = Card(
    title_en="Water Lilies",
    title_zh="睡莲",
    author="The Huafeng authors",
    licence="CC0-1.0",
    trained_on="120 paintings",
    provenance="public domain",
    date="2024-12-31",
    safe_strength=(0.2, 0.9),
    scores={"gap closed": 0.41, "gap closed, identity": 0},
)
ART_CARD = replace(CARD, base_sha256=BASE)


def identity_lut(size: int) -> Any:
    ramp = np.linspace(0, 1, size, dtype=np.float32)
    return np.stack(np.meshgrid(ramp, ramp, ramp, indexing="ij"), axis=-1)


def look(**changes: Any) -> Style:
    fields: Any = {"name": "lilies", "kind": "look", "tensors": {"lut": identity_lut(5)}, "card": CARD}
    return Style(**fields | changes)


def art(code: Any = (1.0, -2.5), delta: Any = None, **changes: Any) -> Style:
    tensors = {"code": np.array(code, np.float32)} | ({} if delta is None else {"delta": np.array(delta, np.float32)})
    fields: Any = {"name": "wave", "kind": "art", "tensors": tensors, "card": ART_CARD}
    return Style(**fields | changes)


def picture(format: str, side: int = 16) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, side), "teal").save(out, format)
    return out.getvalue()


def packed(tensors: Any = None, header: Any = None, **changes: Any) -> bytes:
    """A look's file as a stranger could write it: its header with some changes, or another header altogether."""
    good = {"version": 1, "kind": "look", "name": "lilies", "card": vars(CARD)} | changes
    text = json.dumps(good) if header is None else header
    return safetensors.numpy.save({"lut": identity_lut(3)} if tensors is None else tensors, {"huafeng": text})


def outer(header: Any, body: bytes = b"") -> bytes:
    """A safetensors file with any outer header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def test_a_look_comes_back_as_it_was() -> None:
    style = look(thumbnail=picture("PNG"))
    back = Style.from_bytes(style.to_bytes())
    assert (back.name, back.kind, back.card, back.thumbnail) == ("lilies", "look", CARD, style.thumbnail)
    assert back.tensors.keys() == {"lut"}
    np.testing.assert_array_equal(back.tensors["lut"], identity_lut(5))


def test_an_art_style_comes_back_as_it_was() -> None:
    back = Style.from_bytes(art(tensors={"code": np.array([0.1, 2], np.float32)}).to_bytes())
    assert (back.name, back.kind, back.card, back.thumbnail) == ("wave", "art", ART_CARD, None)
    np.testing.assert_array_equal(back.tensors["code"], np.array([0.1, 2], np.float32))


@settings(max_examples=20, deadline=None)
@given(
    hnp.arrays(np.float32, st.integers(1, 40), elements=st.floats(-1e6, 1e6, width=32)),
    st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=30),
    st.dictionaries(st.sampled_from("abc"), st.floats(allow_nan=False, allow_infinity=False)),
)
def test_any_art_style_comes_back(code: Any, title: str, scores: Any) -> None:
    style = art(code, card=replace(ART_CARD, title_zh=title, scores=scores))
    back = Style.from_bytes(style.to_bytes())
    assert back.card == style.card
    np.testing.assert_array_equal(back.tensors["code"], code)
    assert back.to_bytes() == style.to_bytes()


@settings(max_examples=20, deadline=None)
@given(hnp.arrays(np.float32, st.integers(1, 40), elements=st.floats(-1e6, 1e6, width=32)))
def test_any_delta_comes_back_bit_for_bit(delta: Any) -> None:
    style = art(delta=delta)
    back = Style.from_bytes(style.to_bytes())
    assert back.tensors.keys() == {"code", "delta"}
    assert back.tensors["delta"].tobytes() == delta.tobytes()
    assert back.to_bytes() == style.to_bytes()


@pytest.mark.parametrize(
    ("delta", "kind"),
    [
        ([0.5, -3.0, 65504.0], np.float16),
        (np.array([0.1, 0.2], np.float16), np.float16),
        ([0.5, 0.1], np.float32),  # 0.1 is no float16
        ([0.5, 65536.0], np.float32),  # beyond the last one
        ([1 + 1 / 4096], np.float32),  # a table would be rounded by so little
    ],
)
def test_a_delta_is_float16_in_the_file_where_that_is_exact(delta: Any, kind: type) -> None:
    held = safetensors.numpy.load(art(delta=delta).to_bytes())
    assert held["delta"].dtype == kind
    assert held["code"].dtype == np.float32
    np.testing.assert_array_equal(held["delta"].astype(np.float32), np.array(delta, np.float32))


def test_the_same_style_gives_the_same_bytes() -> None:
    one = look(card=replace(CARD, scores={"a": 1, "b": 2}))
    other = look(card=replace(CARD, scores={"b": 2, "a": 1}))
    assert one.to_bytes() == other.to_bytes()
    assert Style.from_bytes(one.to_bytes()).to_bytes() == one.to_bytes()


def test_a_look_is_small_where_float16_is_exact_enough() -> None:
    lut = identity_lut(33)
    data = look(tensors={"lut": lut}).to_bytes()
    assert len(data) < 220_000
    assert np.abs(Style.from_bytes(data).tensors["lut"] - lut).max() <= 1 / 2048


@pytest.mark.parametrize("value", [5.003, 1e5])  # float16 has steps of 1/256 there, or ends before
def test_a_look_is_exact_where_float16_is_not(value: Any) -> None:
    lut = identity_lut(4)
    lut[1, 2, 3, 0] = value
    np.testing.assert_array_equal(Style.from_bytes(look(tensors={"lut": lut}).to_bytes()).tensors["lut"], lut)


def test_an_art_style_is_a_few_kilobytes() -> None:
    assert len(art(np.zeros(64)).to_bytes()) < 4000
    rough = np.random.default_rng(0).normal(size=2089).astype(np.float16)
    assert len(art(np.zeros(64), rough).to_bytes()) < 4000 + 2 * 2089


def test_tensors_are_own_read_only_float32() -> None:
    lut = identity_lut(3).astype(np.float64)
    style = look(tensors={"lut": lut})
    lut[:] = 7
    assert style.tensors["lut"].dtype == np.float32
    assert style.tensors["lut"].max() == 1
    with pytest.raises(ValueError, match="read-only"):
        style.tensors["lut"][0] = 1


def test_float16_in_a_file_is_read_as_float32() -> None:
    style = Style.from_bytes(packed({"lut": identity_lut(3).astype(np.float16)}))
    assert style.tensors["lut"].dtype == np.float32
    np.testing.assert_array_equal(style.tensors["lut"], identity_lut(3))


@given(st.text(max_size=80))
def test_any_file_gives_a_name(stem: str) -> None:
    check_name(name_of(Path(stem.replace("\0", "") + ".jpg")))


@pytest.mark.parametrize("name", ["a", "7", "monet-2", "墨", "水墨画", "étude", "a" * 64])
def test_names(name: Any) -> None:
    check_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "-a", "Monet", "a b", "a+b", "a:b", "a/b", "a\\b", ".", "a.b", "a\n", "a" * 65, "2²", "Ａ", 3, None]
    + [unicodedata.normalize("NFD", "étude")],
)
def test_names_that_are_none(name: Any) -> None:
    with pytest.raises(StyleError, match="is not a name that can be used: it takes 1 to 64 lowercase letters"):
        check_name(name)
    with pytest.raises(StyleError, match="is not a name that can be used"):
        look(name=name)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("title_en", 3, "title_en is 3, it must be one line"),
        ("title_zh", None, "title_zh is None"),
        ("author", "a\x1b[2Jb", "author is .* it must be one line"),
        ("licence", "\ud800", "licence is"),
        ("description", "x" * 2001, "description is .* at most 2000 characters"),
        ("date", "31.12.2024", "date is '31.12.2024', it must be a day such as 2024-12-31"),
        ("date", "20241231", "date is"),
        ("date", "2024-02-30", "date is"),
        ("safe_strength", (0.5, 0.2), r"safe_strength is \(0.5, 0.2\), it must be two numbers in 0..1, rising"),
        ("safe_strength", (0, 1.1), "safe_strength"),
        ("safe_strength", (0, True), "safe_strength"),
        ("safe_strength", (0,), "safe_strength"),
        ("safe_strength", 1, "safe_strength"),
        ("scores", {"a": float("nan")}, "score 'a' is nan, it must be a finite number"),
        ("scores", {"a": 10**400}, "score 'a' is"),
        ("scores", {"a": "1"}, "score 'a' is '1'"),
        ("scores", {3: 1}, "score name is 3"),
        ("scores", [1], "scores must be an object"),
        ("scores", {str(i): 0 for i in range(201)}, "scores must be an object of at most 200 numbers"),
        ("base_sha256", "abc", "base_sha256 is 'abc', it must be 64 lowercase hex digits"),
        ("base_sha256", "A" * 64, "base_sha256 is"),
    ],
)
def test_a_card_with_a_wrong_field(field: str, value: Any, words: Any) -> None:
    with pytest.raises(StyleError, match=words):
        replace(CARD, **{field: value})


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({}, "must hold a 'lut' and perhaps a 'grade', but it holds none"),
        ({"code": np.zeros(3)}, r"must hold a 'lut' and perhaps a 'grade', but it holds \['code'\]"),
        ({"lut": identity_lut(3), "x": np.zeros(1)}, "must hold a 'lut'"),
        ({"lut": np.zeros((2, 2, 3, 3))}, r"shape \(2, 2, 3, 3\), it must be N, N, N, 3 with N in 2..129"),
        ({"lut": np.zeros((2, 2, 2, 4))}, "shape"),
        ({"lut": np.zeros((1, 1, 1, 3))}, "shape"),
        ({"lut": np.zeros((130, 130, 130, 3), np.float16)}, "shape"),
        ({"lut": np.zeros(())}, "shape"),
        ({"lut": np.zeros((2, 2, 2, 3), np.uint8)}, "'lut' must be an array of floats"),
        ({"lut": [0.0]}, "'lut' must be an array of floats"),
        ({"lut": np.full((2, 2, 2, 3), np.nan)}, "'lut' holds a NaN or an infinite value"),
        ({"lut": np.full((2, 2, 2, 3), 1e300)}, "'lut' holds a NaN or an infinite value"),
    ],
)
def test_a_look_with_wrong_tensors(tensors: Any, words: Any) -> None:
    with pytest.raises(StyleError, match=words):
        look(tensors=tensors)


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({}, "must hold a 'code', perhaps a 'delta' and a 'quiet', but it holds none"),
        ({"delta": np.zeros(3)}, r"must hold a 'code', perhaps a 'delta' and a 'quiet', but it holds \['delta'\]"),
        ({"delta.a": np.zeros(3)}, r"must hold a 'code', perhaps a 'delta' and a 'quiet', but it holds \['delta.a'\]"),
        ({"code": np.zeros(3), "quiet": np.array([1.5])}, r"quiet is 1.5, it must be in 0..1"),
        ({"code": np.zeros(3), "quiet": np.zeros(2)}, r"'quiet' has the shape \(2,\), it must be one row of 1 to 1 numbers"),
        ({"code": np.zeros(3), "lut": identity_lut(2)}, "must hold a 'code', perhaps a 'delta'"),
        ({"code": np.zeros((1, 3))}, r"'code' has the shape \(1, 3\), it must be one row of 1 to 1024 numbers"),
        ({"code": np.zeros(0)}, "'code' has the shape"),
        ({"code": np.zeros(1025)}, "'code' has the shape"),
        ({"code": np.array([np.inf])}, "'code' holds a NaN or an infinite value"),
        ({"code": np.zeros(3), "delta": np.zeros((2, 2))}, r"'delta' has the shape \(2, 2\), .* one row of 1 to 65536 numbers"),
        ({"code": np.zeros(3), "delta": np.zeros(0)}, "'delta' has the shape"),
        ({"code": np.zeros(3), "delta": np.zeros(())}, "'delta' has the shape"),
        ({"code": np.zeros(3), "delta": np.zeros(65537)}, "'delta' has the shape"),
        ({"code": np.zeros(3), "delta": np.array([np.nan])}, "'delta' holds a NaN or an infinite value"),
        ({"code": np.zeros(3), "delta": np.zeros(3, np.int64)}, "'delta' must be an array of floats"),
    ],
)
def test_an_art_style_with_wrong_tensors(tensors: Any, words: Any) -> None:
    with pytest.raises(StyleError, match=words):
        art(tensors=tensors)


def test_an_art_style_names_its_base() -> None:
    with pytest.raises(StyleError, match="base_sha256"):
        art(card=CARD)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_thumbnails(format: str) -> None:
    data = picture(format)
    assert Style.from_bytes(art(thumbnail=data).to_bytes()).thumbnail == data


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a WebP, JPEG or PNG"),
        (b"<svg/>", "not a WebP, JPEG or PNG"),
        (picture("GIF"), "not a WebP, JPEG or PNG"),
        (picture("PNG", 200)[:-60], "not a WebP, JPEG or PNG"),
        (picture("PNG") + bytes(100_000), "at most 100 kB"),
        (picture("PNG", 1025), "larger than 1024 px"),
    ],
)
def test_thumbnails_that_are_none(data: bytes, words: Any) -> None:
    with pytest.raises(StyleError, match=words):
        look(thumbnail=data)


def test_examples_come_back_in_their_order() -> None:
    pictures = [picture(format, side) for side in (8, 320) for format in ("WEBP", "JPEG", "PNG")]
    back = Style.from_bytes(look(examples=pictures, thumbnail=picture("PNG", 9)).to_bytes())
    assert back.examples == tuple(pictures)
    assert back.thumbnail == picture("PNG", 9)
    assert back.tensors.keys() == {"lut"}
    assert Style.from_bytes(art().to_bytes()).examples == ()
    assert back.to_bytes() == Style.from_bytes(back.to_bytes()).to_bytes()


@pytest.mark.parametrize(
    ("examples", "words"),
    [
        ([picture("PNG")] * 7, "examples must be a list of at most 6 pictures"),
        (picture("PNG"), "examples must be a list"),
        ([picture("PNG"), None], "example.1 must be at most 25 kB"),
        ([picture("PNG") + bytes(25_000)], "example.0 must be at most 25 kB"),
        ([picture("PNG", 321)], "example.0 is larger than 320 px a side"),
        ([picture("PNG"), b"<svg/>"], "example.1 is not a WebP, JPEG or PNG"),
        ([picture("GIF")], "example.0 is not a WebP, JPEG or PNG"),
        ([picture("PNG", 200)[:-60]], "example.0 is not a WebP, JPEG or PNG"),
    ],
)
def test_examples_that_are_none(examples: Any, words: Any) -> None:
    with pytest.raises(StyleError, match=words):
        look(examples=examples)


GOOD_ENTRY = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
HEADER_TEXT = json.dumps({"version": 1, "kind": "look", "name": "lilies", "card": vars(CARD)})
META = {"__metadata__": {"huafeng": HEADER_TEXT}}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "This is not a style file"),
        (b"abc", "This is not a style file"),
        (picture("JPEG"), "This is not a style file"),
        (bytes(1000), "This is not a style file"),
        ((2**20 + 1).to_bytes(8, "little") + b"{" + bytes(2**21), "This is not a style file"),
        (bytes(192 * 2**20 + 1), "larger than 192 MB"),
        (look().to_bytes()[:8], "cut off"),
        (look().to_bytes()[:300], "cut off"),
        (look().to_bytes()[:-1], "cut off"),
        (look().to_bytes() + b"x", "damaged"),
        (outer(b"{not json"), "header is not JSON"),
        (outer(b'{"\xff": 1}'), "header is not JSON"),
        (outer(b'{"a":' + b"[" * 200_000), "header is not JSON"),
        (safetensors.numpy.save({"a": np.zeros(3)}), "safetensors file, but not a Huafeng style"),
        (safetensors.numpy.save({"a": np.zeros(3)}, {"format": "pt"}), "not a Huafeng style"),
        (outer({"__metadata__": [1]}), "not a Huafeng style"),
        (outer({"__metadata__": {"huafeng": 1}}), "not a Huafeng style"),
        (outer({**META, "lut": 3}), "'lut' is not described by an object"),
        (outer({**META, "lut": {**GOOD_ENTRY, "data_offsets": 4}}, bytes(4)), "'lut' has no place"),
        (outer({**META, "lut": {**GOOD_ENTRY, "data_offsets": [0, "4"]}}, bytes(4)), "'lut' has no place"),
        (outer({**META, "lut": {**GOOD_ENTRY, "dtype": "BF16"}}, bytes(4)), "type 'BF16', it must be F16 or F32"),
        (outer({**META, "lut": {**GOOD_ENTRY, "shape": [2]}}, bytes(4)), "damaged"),
        (outer({**META, "lut": {**GOOD_ENTRY, "shape": [2**62, 2**62]}}, bytes(4)), "damaged"),
        (outer({**META, "lut": {**GOOD_ENTRY, "data_offsets": [-4, 0]}}, bytes(4)), "damaged"),
        (packed(header="{"), "header is not JSON"),
        (packed(header="[]"), "header is not an object"),
        (packed(version=2, shape="new"), "newer Huafeng .* update Huafeng"),
        (packed(version="1"), "format version is '1', it must be 1"),
        (packed(version=True), "format version is True"),
        (packed(version=0), "format version is 0"),
        (packed(header="{}"), "format version is None"),
        (packed(header='{"version": 1}'), "lacks the field 'kind'"),
        (packed(colour=1), "unknown field 'colour'"),
        (packed(kind="fresco"), "kind is 'fresco', it must be one of look, art, filter, translator, enlarger"),
        (packed(kind=["look"]), "kind is"),
        (packed(kind="art"), "must hold a 'code', perhaps a 'delta'"),
        (packed(name="My Look"), "is not a name that can be used"),
        (packed(name=None), "is not a name that can be used"),
        (packed(card=None), "card is None, it must be an object"),
        (packed(card={}), "lacks the field 'title_en'"),
        (packed(card=vars(CARD) | {"author": 1}), "author is 1"),
        (packed(card=vars(CARD) | {"secret": 1}), "unknown field 'secret'"),
        (packed({"lut": np.zeros((2, 2, 2, 3), np.int32)}), "type 'I32'"),
        (packed({"lut": identity_lut(2) * np.float32("nan")}), "NaN"),
        (packed({"lut": identity_lut(2), "thumbnail": np.zeros((1, 4), np.uint8)}), "one row of bytes"),
        (packed({"lut": identity_lut(2), "thumbnail": np.zeros(4, np.float32)}), "type 'F32', it must be U8"),
        (packed({"lut": identity_lut(2), "thumbnail": np.zeros(4, np.uint8)}), "not a WebP, JPEG or PNG"),
        (packed({"lut": identity_lut(2), "example.0": np.zeros(4, np.float32)}), "type 'F32', it must be U8"),
        (packed({"lut": identity_lut(2), "example.0": np.zeros((1, 4), np.uint8)}), "example.0 must be .* one row of bytes"),
        (packed({"lut": identity_lut(2), "example.0": np.zeros(4, np.uint8)}), "example.0 is not a WebP, JPEG or PNG"),
        (packed({"lut": identity_lut(2), "example.1": np.zeros(4, np.uint8)}), "must be numbered from 0"),
        (packed({"lut": identity_lut(2), "example.6": np.zeros(4, np.uint8)}), "'example.6' is of type 'U8'"),
    ],
)
def test_a_file_that_is_no_good_is_told_in_one_sentence(data: bytes, words: Any) -> None:
    with pytest.raises(StyleError, match=words) as caught:
        Style.from_bytes(data)
    assert str(caught.value).endswith(".")
    assert ". " not in str(caught.value)


def test_damaged_files_are_refused_or_valid() -> None:
    good = look(tensors={"lut": identity_lut(2)}, thumbnail=picture("WEBP"), examples=[picture("JPEG")]).to_bytes()
    chance = random.Random(0)
    outcomes: set[type] = set()
    for _ in range(300):
        bad = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            bad[chance.randrange(len(bad))] = chance.randrange(256)
        if chance.random() < 0.2:
            del bad[chance.randrange(len(bad)) :]
        try:
            outcomes.add(type(Style.from_bytes(bytes(bad))))
        except StyleError:
            outcomes.add(StyleError)
    assert outcomes == {Style, StyleError}


def test_save_and_load(tmp_path: Path) -> None:
    path = tmp_path / "new" / "lilies.style"
    look().save(path)
    assert Style.load(str(path)).card == CARD
    with pytest.raises(OutputError):
        art().save(path)
    assert Style.load(path).kind == "look"
    art().save(path, force=True)
    assert Style.load(path).kind == "art"


def test_load_says_which_file_and_why(tmp_path: Path) -> None:
    with pytest.raises(StyleError, match=r"nothing\.style: .* cannot be read \(No such file"):
        Style.load(tmp_path / "nothing.style")
    with pytest.raises(StyleError, match="cannot be read"):
        Style.load(tmp_path)
    with pytest.raises(StyleError, match="cannot be read"):
        Style.load("a\0b.style")
    (tmp_path / "bad.style").write_bytes(look().to_bytes()[:-1])
    with pytest.raises(StyleError, match=r"bad\.style: The style file is cut off\."):
        Style.load(tmp_path / "bad.style")


def test_a_large_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.style"
    path.touch()
    os.truncate(path, 192 * 2**20 + 1)
    with pytest.raises(StyleError, match="larger than 192 MB"):
        Style.load(path)


def test_a_look_may_not_be_as_large_as_a_network() -> None:
    with pytest.raises(StyleError, match="larger than 32 MB"):
        Style.from_bytes(packed() + bytes(32 * 2**20))


def test_codes_mix_by_weight() -> None:
    mixed = mix_arts([(art([1, 0, 4]), 3), (art([5, 2, 0]), 1), (art([99, 99, 99]), 0)])
    assert mixed.keys() == {"code"}
    assert mixed["code"].dtype == np.float32
    np.testing.assert_allclose(mixed["code"], [2, 0.5, 3], rtol=1e-6)


def test_deltas_mix_by_weight_and_none_counts_as_zero() -> None:
    mixed = mix_arts([(art([0, 0], [4, 8, -2]), 1), (art([4, 8]), 2), (art([0, 0], [0, 4, 2]), 1)])
    assert mixed["delta"].dtype == np.float32
    np.testing.assert_allclose(mixed["code"], [2, 4], rtol=1e-6)
    np.testing.assert_allclose(mixed["delta"], [1, 3, 0], rtol=1e-6)  # (4 + 0 + 0) / 4, (8 + 0 + 4) / 4, (-2 + 0 + 2) / 4
    first_without = mix_arts([(art([4, 8]), 3), (art([0, 0], [4, 8, -2]), 1)])
    np.testing.assert_allclose(first_without["delta"], [1, 2, -0.5], rtol=1e-6)


def test_one_art_stays_as_it_is() -> None:
    mixed = mix_arts([(art([0.1, 0.7], [0.3]), 0.3)])
    assert mixed.keys() == {"code", "delta"}
    np.testing.assert_array_equal(mixed["code"], np.array([0.1, 0.7], np.float32))
    np.testing.assert_array_equal(mixed["delta"], np.array([0.3], np.float32))


@pytest.mark.parametrize(
    ("styles", "words"),
    [
        ([], "no styles to mix"),
        ([(art(), 1), (look(), 1)], "'lilies' is a look"),
        ([(art(), 1), (art(card=replace(CARD, base_sha256="f" * 64)), 1)], "different base generators"),
        ([(art(), 1), (art([1, 2, 3]), 1)], "'wave' and 'wave' have a code of different lengths"),
        ([(art(), 1), (art(delta=[1]), 1), (art(delta=[1, 2]), 1)], "have a delta of different lengths"),
        ([(art(), 0)], "must not all be 0"),
        ([(art(), 2), (art(), -1)], "weight of the style 'wave' is -1"),
        ([(art(), float("nan"))], "weight of the style 'wave' is nan"),
        ([(art(), 1e308), (art(), 1e308)], "sum must be finite"),
    ],
)
def test_arts_that_do_not_mix(styles: Any, words: Any) -> None:
    with pytest.raises(StyleError, match=words):
        mix_arts(styles)
