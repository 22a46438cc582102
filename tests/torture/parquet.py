"""A Parquet file written by hand, as small as what it stands for is large."""

import struct


def varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def zigzag(number: int) -> bytes:
    return varint(number << 1 if number >= 0 else ((-number) << 1) - 1)


class Struct:
    """Thrift's compact form, of the fields that are needed."""

    def __init__(self, **_):
        self.out, self.last = b"", 0

    def field(self, number: int, kind: int, value: bytes) -> "Struct":
        self.out += bytes([(number - self.last) << 4 | kind]) + value
        self.last = number
        return self

    def i32(self, number: int, value: int) -> "Struct":
        return self.field(number, 5, zigzag(value))

    def i64(self, number: int, value: int) -> "Struct":
        return self.field(number, 6, zigzag(value))

    def text(self, number: int, value: bytes) -> "Struct":
        return self.field(number, 8, varint(len(value)) + value)

    def list(self, number: int, kind: int, items: list) -> "Struct":
        head = bytes([len(items) << 4 | kind]) if len(items) < 15 else bytes([0xF0 | kind]) + varint(len(items))
        return self.field(number, 9, head + b"".join(items))

    def struct(self, number: int, value: "Struct") -> "Struct":
        return self.field(number, 12, value.end())

    def end(self) -> bytes:
        return self.out + b"\0"


BYTE_ARRAY, DOUBLE, PLAIN, RLE, RLE_DICTIONARY, UNCOMPRESSED = 6, 5, 0, 3, 8, 0


def dictionary_bomb(rows: int, length: int) -> bytes:
    """Three columns of `rows` rows; each of the two texts is one of `length` bytes, said once."""
    file, chunks, columns = b"PAR1", [], []
    for name, kind, value in [(b"base", BYTE_ARRAY, struct.pack("<I", length) + b"x" * length),
                              (b"ref", BYTE_ARRAY, struct.pack("<I", length) + b"y" * length),
                              (b"similarity", DOUBLE, struct.pack("<d", 0.5))]:
        start = len(file)
        dictionary = value
        file += Struct().i32(1, 2).i32(2, len(dictionary)).i32(3, len(dictionary)).struct(
            7, Struct().i32(1, 1).i32(2, PLAIN)).end() + dictionary
        data_at = len(file)
        # A width of one bit, and one run of noughts for all rows.
        run = bytes([1]) + varint(rows << 1) + b"\0"
        file += Struct().i32(1, 0).i32(2, len(run)).i32(3, len(run)).struct(
            5, Struct().i32(1, rows).i32(2, RLE_DICTIONARY).i32(3, RLE).i32(4, RLE)).end() + run
        size = len(file) - start
        meta = Struct().i32(1, kind).list(2, 5, [zigzag(PLAIN), zigzag(RLE), zigzag(RLE_DICTIONARY)]).list(
            3, 8, [varint(len(name)) + name]).i32(4, UNCOMPRESSED).i64(5, rows).i64(6, size).i64(7, size).i64(9, data_at).i64(11, start)
        chunks.append(Struct().i64(2, start).struct(3, meta).end())
        column = Struct().i32(1, kind).i32(3, 0).text(4, name)
        columns.append((column.i32(6, 0) if kind == BYTE_ARRAY else column).end())
    schema = [Struct().text(4, b"schema").i32(5, 3).end(), *columns]
    group = Struct().list(1, 12, chunks).i64(2, len(file)).i64(3, rows).end()
    footer = Struct().i32(1, 1).list(2, 12, schema).i64(3, rows).list(4, 12, [group]).end()
    return file + footer + struct.pack("<I", len(footer)) + b"PAR1"
