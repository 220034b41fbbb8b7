"""Damage to encoded bytes: blind, and where lengths, types and order stand."""

from __future__ import annotations

import random
import struct

from benchmarks.fuzz_receiver.whole import Message

_LENGTHS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 67, 127, 255, 256, 16383, 16384, 32768, 65534, 65535)
_LONG_LENGTHS = (*_LENGTHS, 2**17, 2**19, 2**24, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)
_ITEM_TYPES = (0x00, 0x10, 0x20, 0x21, 0x30, 0x40, 0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57)
_ITEM_TYPES += (0x58, 0x59, 0xFF)


def torn(content: bytes, other: bytes, chance: random.Random) -> bytes:
    """A copy with one to five faults, of which some come from `other`."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 5))):
        start = chance.randrange(len(data) + 1)
        stop = min(start + chance.choice((1, 1, 2, 4, 8, 40)), len(data))
        match chance.randrange(10):
            case 0 if start < len(data):
                data[start] ^= 1 << chance.randrange(8)
            case 1 if start < len(data):
                data[start] = chance.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF, chance.randrange(256)))
            case 2:
                del data[start:stop]
            case 3:
                data[start:start] = chance.randbytes(chance.choice((1, 2, 4, 16)))
            case 4:
                data[start:start] = data[start:stop]
            case 5:
                del data[start:]
            case 6:
                data[start : start + 2] = struct.pack(
                    chance.choice("<>") + "H", chance.choice(_LENGTHS)
                )
            case 7:
                data[start : start + 4] = struct.pack(
                    chance.choice("<>") + "L", chance.choice(_LONG_LENGTHS)
                )
            case 8 if other:
                first = chance.randrange(len(other))
                data[start:stop] = other[first : first + chance.choice((1, 4, 16, 64))]
            case _:
                data[start:stop] = bytes(stop - start)
    return bytes(data)


def damaged_association(whole: bytes, other: bytes, chance: random.Random) -> bytes:
    """An A-ASSOCIATE-RQ with faults in its items (PS3.8 9.3.2); mostly its length says so."""
    body = whole[6:]
    if chance.random() < 0.5:
        body = _with_wrong_item(bytearray(body), chance)
    else:
        body = torn(body, other[6:], chance)
    length = len(body) if chance.random() < 0.9 else chance.choice(_LONG_LENGTHS)
    kind = 1 if chance.random() < 0.97 else chance.randrange(256)
    return struct.pack(">BxL", kind, length) + body


def _with_wrong_item(body: bytearray, chance: random.Random) -> bytes:
    """One item changes its type or length, goes, comes twice or before another."""
    items = _items(body)
    start, stop = chance.choice(items)
    match chance.randrange(6):
        case 0:
            body[start] = chance.choice(_ITEM_TYPES)
        case 1:
            struct.pack_into(">H", body, start + 2, chance.choice(_LENGTHS))
        case 2:
            del body[start:stop]
        case 3:
            body[stop:stop] = body[start:stop] * chance.choice((1, 2, 130))
        case 4:
            piece = bytes(body[start:stop])
            del body[start:stop]
            at = chance.choice(items)[0]
            body[at:at] = piece
        case _:
            body[start + 4 : stop] = chance.randbytes(stop - start - 4)
    return bytes(body)


def _items(body: bytes) -> list[tuple[int, int]]:
    """Where items and their sub-items lie in a whole A-ASSOCIATE-RQ's variable field."""
    found = []

    def look(at: int, end: int) -> None:
        while at + 4 <= end:
            kind, length = struct.unpack_from(">BxH", body, at)
            found.append((at, at + 4 + length))
            if kind in (0x20, 0x50):
                look(at + 4 + (4 if kind == 0x20 else 0), at + 4 + length)
            at += 4 + length

    look(68, len(body))
    return found


def pdus(message: Message, size: int) -> list[bytes]:
    """A message as P-DATA-TFs of one PDV with at most `size` bytes each (PS3.8 9.3.5)."""
    made = []
    for data, command in ((message.command, 1), (message.data_set, 0)):
        if data is None:
            continue
        parts = [data[at : at + size] for at in range(0, len(data), size)] or [b""]
        for number, part in enumerate(parts):
            control = command | (2 if number == len(parts) - 1 else 0)
            head = struct.pack(">LBB", len(part) + 2, message.context_id, control)
            made.append(struct.pack(">BxL", 4, len(part) + 6) + head + part)
    return made


def damaged_stream(units: list[bytes], other: bytes, chance: random.Random) -> bytes:
    """PDUs of one association, some damaged, moved, left out, doubled, or made of noise."""
    units = list(units)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        at = chance.randrange(len(units))
        match chance.randrange(9):
            case 0:
                units[at] = torn(units[at], other, chance)
            case 1:
                units[at] = units[at][:6] + torn(units[at][6:], other, chance)
            case 2:
                units[at] = _again_of_one_length(torn(units[at][6:], other, chance))
            case 3:
                units[at] = _with_head(bytearray(units[at]), chance)
            case 4 if len(units) > 1:
                del units[at]
            case 5:
                units.insert(at, units[at])
            case 6:
                chance.shuffle(units)
            case 7:
                noise = chance.randbytes(chance.choice((0, 1, 4, 6, 12, 60)))
                kind = chance.choice((1, 2, 3, 4, 4, 4, 5, 6, 7, 0, 8, 255))
                units[at] = struct.pack(">BxL", kind, len(noise)) + noise
            case _:
                joined = b"".join(unit[6:] for unit in units[at : at + 2])
                units[at : at + 2] = [_again_of_one_length(joined)]
    return b"".join(units)


def _again_of_one_length(body: bytes) -> bytes:
    return struct.pack(">BxL", 4, len(body)) + body


def _with_head(pdu: bytearray, chance: random.Random) -> bytes:
    """Another type, length, context or message control header (PS3.8 E.2)."""
    match chance.randrange(5):
        case 0 if pdu:
            pdu[0] = chance.randrange(256)
        case 1 if len(pdu) >= 6:
            struct.pack_into(">L", pdu, 2, chance.choice(_LONG_LENGTHS))
        case 2 if len(pdu) >= 10:
            struct.pack_into(">L", pdu, 6, chance.choice(_LONG_LENGTHS))
        case 3 if len(pdu) >= 12:
            pdu[10] = chance.choice((0, 1, 2, 3, 5, 7, 9, 255))
        case _ if len(pdu) >= 12:
            pdu[11] = chance.choice((0, 1, 2, 3, 4, 255))
        case _:
            pass
    return bytes(pdu)
