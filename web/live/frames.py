"""The wire form of what a server sends over a WebSocket (RFC 6455, section 5).

A frame from a server carries no mask and no state, so an event is framed once and the same bytes go to every socket.
"""

import struct

from web.payload import dump

_FINAL = 0x80
_TEXT, _CLOSE, _PING, _PONG = 0x1, 0x8, 0x9, 0xA
# What may stand in a connection's close code, but not on the wire: no status, lost, no TLS.
_UNSENDABLE_CODES = frozenset({1005, 1006, 1015})
_MAX_CONTROL_PAYLOAD = 125


def encode(value: object) -> bytes:
    """Return the text frame with `value` as JSON, in the form that the HTTP routes give it."""
    return text_frame(dump(value))


def text_frame(payload: bytes) -> bytes:
    """Return a whole text message with `payload`, which is UTF-8."""
    return _frame(_TEXT, payload)


def ping_frame(payload: bytes = b"") -> bytes:
    """Return a ping; the peer answers with the same payload, at most 125 bytes."""
    return _frame(_PING, payload)


def pong_frame(payload: bytes) -> bytes:
    """Return the answer to a ping with that payload."""
    return _frame(_PONG, payload)


def close_frame(code: int, reason: str = "") -> bytes:
    """Return the frame that begins or answers the closing handshake.

    It is without a status for the codes that must not be sent. `reason` is cut to what fits: 123 bytes of UTF-8.
    """
    if code in _UNSENDABLE_CODES:
        return _frame(_CLOSE, b"")
    text = reason.encode()[: _MAX_CONTROL_PAYLOAD - 2].decode(errors="ignore")  # not within a character
    return _frame(_CLOSE, struct.pack("!H", code) + text.encode())


def _frame(opcode: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        header = struct.pack("!BB", _FINAL | opcode, size)
    elif size < 65536:
        header = struct.pack("!BBH", _FINAL | opcode, 126, size)
    else:
        header = struct.pack("!BBQ", _FINAL | opcode, 127, size)
    return header + payload
