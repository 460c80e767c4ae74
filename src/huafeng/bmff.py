"""What an AVIF or HEIC file says of its picture beside the pixels: properties in boxes (ISO/IEC 14496-12, 23008-12)."""

from __future__ import annotations

from collections.abc import Iterator


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of the content of each box in data[start:end]."""
    end = len(data) if end is None else min(end, len(data))
    while start + 8 <= end:
        size, head = int.from_bytes(data[start : start + 4], "big"), 8
        if size == 1:
            size, head = int.from_bytes(data[start + 8 : start + 16], "big"), 16
        stop = start + size if size >= head else end  # a size of 0 means: up to the end
        yield data[start + 4 : start + 8], start + head, min(stop, end)
        start = stop


def _inside(data: bytes, path: tuple[bytes, ...]) -> tuple[int, int] | None:
    """Start and end of the content of the first box along a path; "meta" has 4 bytes of version and flags first."""
    start, end = 0, len(data)
    for name in path:
        found = next(((first, last) for box, first, last in boxes(data, start, end) if box == name), None)
        if found is None:
            return None
        start, end = found[0] + 4 * (name == b"meta"), found[1]
    return start, end


def properties(data: bytes) -> list[tuple[bytes, bytes]]:
    """Name and content of the properties of the primary picture, in order; none where the file does not say."""
    place, links = _inside(data, (b"meta", b"iprp", b"ipco")), _inside(data, (b"meta", b"iprp", b"ipma"))
    primary = _inside(data, (b"meta", b"pitm"))
    if place is None:
        return []
    listed = [(name, data[start:end]) for name, start, end in boxes(data, *place)]
    if links is None or primary is None:
        return listed
    wide = 4 if data[primary[0]] else 2
    item = int.from_bytes(data[primary[0] + 4 : primary[0] + 4 + wide], "big")
    return [listed[i] for i in _linked(data, links, item) if i < len(listed)]


def _linked(data: bytes, links: tuple[int, int], item: int) -> list[int]:
    """Indices of an item's properties, as "ipma" lists them (23008-12, 9.3)."""
    at, end = links
    id_bytes, index_bytes = 4 if data[at] else 2, 2 if data[at + 3] & 1 else 1
    count, at = int.from_bytes(data[at + 4 : at + 8], "big"), at + 8
    for _ in range(count):
        if at + id_bytes >= end:
            break
        number, linked = int.from_bytes(data[at : at + id_bytes], "big"), data[at + id_bytes]
        at += id_bytes + 1
        stop = at + linked * index_bytes
        if number == item:
            essential = 1 << (8 * index_bytes - 1)
            indices = (int.from_bytes(data[i : i + index_bytes], "big") & ~essential for i in range(at, stop, index_bytes))
            return [i - 1 for i in indices if i]
        at = stop
    return []
