"""Small odd pictures and masks, with the reading that is expected of each."""

import struct
import zlib

WIDTH, HEIGHT = 16, 12
# How many of the 192 pixels each region has; the rest is outside.
OBJECT, OUTLINE, SECOND = 30, 24, 6
TOTAL = WIDTH * HEIGHT


def region(x, y):
    """0 outside, 1 object, 2 the outline around it, 3 a second object in a corner."""
    if 4 <= x < 9 and 3 <= y < 9:
        return 1
    if 3 <= x < 10 and 2 <= y < 10:
        return 2
    return 3 if x >= 13 and y >= 10 else 0


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(colour, depth, pixel, extra=b"", size=(WIDTH, HEIGHT)):
    """A PNG; `pixel` gives the samples of a region. Pixels smaller than a byte are packed."""
    rows = []
    for y in range(size[1]):
        samples = [sample for x in range(size[0]) for sample in pixel(region(x, y))]
        if depth == 16:
            row = b"".join(struct.pack(">H", sample) for sample in samples)
        else:
            bits = "".join(format(sample, f"0{depth}b") for sample in samples)
            bits += "0" * (-len(bits) % 8)
            row = int(bits, 2).to_bytes(len(bits) // 8, "big")
        rows.append(b"\0" + row)
    header = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(b"".join(rows)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + body + chunk(b"IEND", b"")


def by_region(*levels):
    return lambda region: (levels[region],)


def grey(depth, *levels):
    return png(0, depth, by_region(*levels))


def palette(*levels, colours=None, transparency=b""):
    colours = colours or [((i * 67) % 256, (i * 131) % 256, (i * 29) % 256) for i in range(256)]
    extra = chunk(b"PLTE", b"".join(bytes(colour) for colour in colours))
    if transparency:
        extra += chunk(b"tRNS", transparency)
    return png(3, 8, by_region(*levels), extra)


def rgb(*colours):
    return png(2, 8, lambda region: colours[region])


def rgba(colours, alphas):
    return png(6, 8, lambda region: (*colours[region], alphas[region]))


BLACK, WHITE = (0, 0, 0), (255, 255, 255)
GREY = grey(8, 0, 255, 0, 0)


def with_header(data, width=None, height=None, depth=None, colour=None, interlace=None):
    """The same file with another header, whose checksum is right."""
    fields = list(struct.unpack(">IIBBBBB", data[16:29]))
    for place, value in zip((0, 1, 2, 3, 6), (width, height, depth, colour, interlace)):
        if value is not None:
            fields[place] = value
    return data[:8] + chunk(b"IHDR", struct.pack(">IIBBBBB", *fields)) + data[33:]


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]


def good_masks():
    """Pairs of name and file, with the share of pixels that are the object."""
    alone, both = OBJECT / TOTAL, (OBJECT + SECOND) / TOTAL
    for depth in (1, 2, 4, 8, 16):
        most = 2**depth - 1
        yield f"grey-{depth}", grey(depth, 0, most, 0, 0), alone
        yield f"grey-{depth}-both", grey(depth, 0, most, 0, most), both
        yield f"grey-{depth}-all", grey(depth, most, most, most, most), 1.0
        yield f"grey-{depth}-none", grey(depth, 0, 0, 0, 0), 0.0
        yield f"grey-{depth}-inverted", grey(depth, most, 0, most, most), 1 - alone
    for depth in (2, 4, 8, 16):
        yield f"zero-and-one-{depth}", grey(depth, 0, 1, 0, 1), both
    yield "classes-grey", grey(8, 0, 1, 255, 2), both
    for name, levels in {"voc": (0, 15, 255, 1), "two": (0, 1, 0, 0), "many": (0, 20, 255, 20)}.items():
        yield f"palette-{name}", palette(*levels), (OBJECT + (SECOND if levels[3] else 0)) / TOTAL
    opaque = [255] * 4
    yield "rgb", rgb(BLACK, WHITE, BLACK, BLACK), alone
    yield "rgb-coloured", rgb(BLACK, (200, 30, 30), BLACK, (30, 200, 30)), both
    yield "rgba-opaque", rgba([BLACK, WHITE, BLACK, BLACK], opaque), alone
    yield "rgba-object-in-alpha", rgba([WHITE] * 4, [0, 255, 0, 0]), alone
    yield "rgba-black-and-alpha", rgba([BLACK] * 4, [0, 255, 0, 255]), both
    yield "grey-and-alpha", png(4, 8, lambda region: (255, (0, 255, 0, 0)[region])), alone
    # What lies behind the end is nobody's business.
    yield "trailing", GREY + b"more", alone
    yield "comment", GREY[:33] + chunk(b"tEXt", b"Comment\0hello") + GREY[33:], alone
    parts = zlib.compress(zlib.decompress(GREY[GREY.index(b"IDAT") + 4 : -16]))
    split = b"".join(chunk(b"IDAT", parts[at : at + 5]) for at in range(0, len(parts), 5))
    yield "many-chunks", GREY[:33] + split + chunk(b"IEND", b""), alone


def no_pictures():
    """Files that are no picture whatever their name, with a word of what must be said."""
    yield "empty", b"", "empty"
    yield "text", b"this is no picture\n", ""
    yield "html", b"<!DOCTYPE html><html><body>404</body></html>", ""
    yield "lfs", b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n", "LFS"
    yield "zeros", bytes(4096), ""
    yield "gif", b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;", ""
    yield "bmp", b"BM" + struct.pack("<IHHI", 58, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, 1, 1, 1, 24, 0, 4, 0, 0, 0, 0) + bytes(4), ""
    yield "signature-only", GREY[:8], ""
    yield "jpeg-head", bytes.fromhex("ffd8ffe000104a46494600010100000100010000"), ""
    yield "jpeg-two-bytes", b"\xff\xd8", ""
    for at in (20, 40, len(GREY) // 2, len(GREY) - 13, len(GREY) - 20):
        yield f"cut-{at}", GREY[:at], ""
    data = GREY.index(b"IDAT") + 6
    yield "flipped-data", flipped(GREY, data), ""
    yield "flipped-checksum", flipped(GREY, len(GREY) - 14), ""
    yield "flipped-header", flipped(GREY, 19), ""
    yield "gigapixels", with_header(GREY, width=60000, height=60000), ""
    yield "huge", with_header(GREY, width=2**31 - 1, height=2**31 - 1), ""
    yield "no-width", with_header(GREY, width=0), ""
    yield "no-height", with_header(GREY, height=0), ""
    yield "larger-than-data", with_header(GREY, width=64, height=64), ""
    yield "odd-depth", with_header(GREY, depth=3), ""
    yield "odd-colour", with_header(GREY, colour=5), ""
    yield "odd-interlace", with_header(GREY, interlace=9), ""
    yield "palette-lacks", png(3, 8, by_region(0, 1, 2, 3)), ""
    bomb = zlib.compress(bytes(50_000_000), 9)
    yield "bomb", GREY[:33] + chunk(b"IDAT", bomb) + chunk(b"IEND", b""), None
    yield "no-data", GREY[:33] + chunk(b"IEND", b""), ""


def ambiguous_masks():
    """Masks that may mean several things; they are refused, and the values are named."""
    yield "faint", grey(8, 0, 3, 90, 201), "would count as background"
    yield "other-size", png(0, 8, by_region(0, 255, 0, 0), size=(WIDTH, HEIGHT + 3)), ""
