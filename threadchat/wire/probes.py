"""
Tells a person's first words from what has come to the wrong port: other protocols' greetings and binary data.

Only the first bytes of a connection are looked at, after telnet's commands have been removed. A pattern
describes the form of a greeting and not just its first word, because people say "GET me a coffee" too.
No socket, thread or clock here.
"""

from __future__ import annotations

import re
from enum import Enum

#: Unclear first bytes count as text after this many seconds of silence, or once there are more of them than this.
UNCLEAR_SECONDS = 1.0
MAX_UNCLEAR_BYTES = 1024


class Verdict(Enum):
    """What the first bytes of a connection are, if they are not another protocol's."""

    TEXT = 0
    UNCLEAR = 1  # the next bytes will tell


def _not(what: str) -> str:
    return f"This is a chat room, not {what}: come with telnet, nc or threadchat-client."


_TLS = "This port speaks plain text, not TLS: come without it."
_PROXY = "This port does not understand the PROXY protocol: turn it off."
_UTF_16 = "This chat room reads UTF-8, not UTF-16: please send that."
_BINARY = "This is a chat room and reads text, not what you sent: come with telnet, nc or threadchat-client."

#: Greetings, each with the line to answer it. The first that matches counts. No pattern has a capturing group.
_GREETINGS = (
    (rb"\x16\x03", _TLS),  # RFC 8446, section 5.1
    (rb"PROXY (?:TCP[46]|UNKNOWN)|\r\n\r\n\0\r\nQUIT\n", _PROXY),  # haproxy.org, both versions
    # A method, what it is about, and the protocol: RFC 9112 (HTTP), RFC 7826 (RTSP), RFC 3261 (SIP).
    (rb"[A-Z-]{3,20} (?:/|\*|[^\s:]+:[\d/])\S* HTTP/\d(?:\.\d)?[ \t]*(?:[\r\n]|\Z)", _not("a web server")),
    (rb"(?:GET|HEAD|POST) /\S*\r\n", _not("a web server")),
    (rb"[A-Z_]{3,20} (?:/|\*|\w+:)\S* (?:RTSP|SIP|ICAP)/\d", _not("a media or telephone server")),
    (rb"SSH-\d", _not("an SSH server")),  # RFC 4253, section 4.2
    # RFC 5321, section 4.1.1.1. A person may say "HELO everybody" too.
    (rb"(?i:EHLO|LHLO)(?: \S+)?\r?\n|MAIL FROM: ?<", _not("a mail server")),
    (rb"(?i:HELO) (?:[\w-]+(?:\.[\w-]+)+|localhost|\[[\d.]+\])\r?\n", _not("a mail server")),
    (rb"\w{1,10} CAPABILITY\r?\n|CAPA\r?\n|USER \S+\r?\nPASS ", _not("a mail or file server")),
    (rb"CAP (?:LS|REQ|END)\b[^\n]*\n", _not("an IRC server")),  # ircv3.net, capability negotiation
    (rb"(?:PASS \S+\r?\n)?NICK \S+\r?\n(?:USER|CAP) ", _not("an IRC server")),  # RFC 2812, section 3.1
    (rb"(?:PASS \S+\r?\n)?USER \S+ \S+ \S+ :?\S|PASS \S+\r?\n(?:SERVER|CAP) ", _not("an IRC server")),
    (rb"\*\d+\r\n\$\d+\r\n", _not("redis")),  # redis.io, RESP
    (rb"(?:set|add|replace|append|prepend|cas) \S+ \d+ -?\d+ \d+\b[^\n]*\n", _not("memcached")),
    (rb"JRMI\0", _not("a Java RMI registry")),
    (rb"<\?xml |<stream:stream ", _not("an XMPP server")),
    (rb"(?:CONNECT|STOMP)\r?\n[\w-]+:|AMQP\0", _not("a message broker")),
    (rb"RFB \d{3}\.\d{3}\n", _not("a remote desktop")),
    (rb"@RSYNCD: \d|[0-9a-f]{4}git-\w+-pack ", _not("a file server")),
    (rb"\x1b%-12345X", _not("a printer")),
    # Text that only scanners send: see nmap-service-probes. The third is iperf3's cookie.
    (rb"DIST\d{8}ARGC|< ?NTP/\d|init\noff all\n|LO_SERVER_CLIENT_PAIR\n|WWWOFFLE [A-Z]", _BINARY),
    (rb"gkrellm \d|fox a \d+ -1 fox hello|NXSH-\d|CONNECT\d\d v|Client string for PARC", _BINARY),
    (rb"(?:[a-z2-7]{36}\0|0{37}\0{4})\Z", _BINARY),
    (rb"\xfe\xff|(?:[\x20-\x7e]\0){4}|(?:\0[\x20-\x7e]){4}", _UTF_16),  # every other byte is NUL
)
_GREETING = re.compile(b"|".join(b"(%b)" % pattern for pattern, _ in _GREETINGS))

#: Control characters that text does not have. It may have TAB, BEL, form feed, Ctrl-Z (the end of a DOS file), escape
#: sequences and the keys that edit a line. NUL, CR and LF end lines.
_NO_TEXT = re.compile(rb"[\x01-\x06\x0b\x0e-\x14\x16\x18\x19\x1c-\x1f]")

#: What may be the beginning of a greeting: mostly words in upper case. "hello" and "Hi" are no such words.
_UNCLEAR = re.compile(
    rb"(?:"
    rb"|[A-Z_-]{1,20}(?: \S*(?: [A-Z]{0,4}(?:/[\d.]{0,3})?)?)?\r?"
    rb"|(?:CAP|EHLO|HELO|LHLO|MAIL|NICK|PASS|USER) [^\n]*"
    rb"|(?:(?:NICK|PASS|USER) \S+\r?\n){1,2}[A-Z]{0,6}(?: [^\n]*)?"
    rb"|SSH-"
    rb"|\*\d*\r?\n?(?:\$\d*\r?)?"
    rb"|(?:CONNECT|STOMP)\r?\n[\w-]*"
    rb"|[\x01-\x1f]"  # alone, it may be a key that somebody has hit
    rb")\Z"
)


def judge(first: bytes) -> Verdict | str:
    """
    Judge *first*, which is all that a connection has sent so far.

    Return a verdict or, for another protocol, the line to answer it with.
    """
    begun = first.lstrip(b"\r\n\0")
    if found := _GREETING.match(begun) or _GREETING.match(first):
        return _GREETINGS[(found.lastindex or 1) - 1][1]
    may_be_unclear = len(first) <= MAX_UNCLEAR_BYTES
    if may_be_unclear and _UNCLEAR.match(begun):
        return Verdict.UNCLEAR
    if _NO_TEXT.search(begun, 0, MAX_UNCLEAR_BYTES):
        return _BINARY
    # Binary data often begins with NULs. Text does not.
    return Verdict.UNCLEAR if may_be_unclear and first.startswith(b"\0") else Verdict.TEXT
