"""First bytes: another protocol's greeting, or a person's first words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadchat.wire.probes import MAX_UNCLEAR_BYTES, Verdict, judge
from threadchat.wire.telnet import TelnetFilter

#: What comes to an open port, as its senders send it, and a word of the line that it gets.
PROBES = [
    pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "web", id="HTTP"),
    pytest.param(b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n\r\n", "web", id="HTTP, any method"),
    pytest.param(b"CONNECT example.org:443 HTTP/1.1\r\n\r\n", "web", id="HTTP proxy"),
    pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "web", id="HTTP/2"),
    pytest.param(b"GET /\r\n", "web", id="HTTP/0.9"),
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "TLS", id="TLS"),
    pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", "SSH", id="SSH"),
    pytest.param(b"SSH-2.0-Go\r\n", "SSH", id="SSH, a brute-forcer's"),
    pytest.param(b"OPTIONS rtsp://192.0.2.1/live RTSP/1.0\r\nCSeq: 1\r\n\r\n", "media", id="RTSP"),
    pytest.param(b"OPTIONS sip:100@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/TCP\r\n", "telephone", id="SIP"),
    pytest.param(b"EHLO mail.example.org\r\n", "mail", id="SMTP EHLO"),
    pytest.param(b"ehlo [127.0.1.1]\r\n", "mail", id="SMTP EHLO, Python's"),
    pytest.param(b"HELO mail.example.org\r\n", "mail", id="SMTP HELO"),
    pytest.param(b"a1 CAPABILITY\r\n", "mail", id="IMAP"),
    pytest.param(b"USER root\r\nPASS root\r\n", "file", id="FTP"),
    pytest.param(b"*1\r\n$4\r\nPING\r\n", "redis", id="RESP"),
    pytest.param(b"*2\r\n$7\r\nCOMMAND\r\n$4\r\nDOCS\r\n", "redis", id="RESP, redis-cli"),
    pytest.param(b"set probe 0 60 5\r\nhello\r\n", "memcached", id="memcached"),
    pytest.param(b"\x80\x0b\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "text", id="memcached, binary"),
    pytest.param(b"\x04\x01\x00\x50\x7f\x00\x00\x01root\x00", "text", id="SOCKS4"),
    pytest.param(b"\x05\x01\x00", "text", id="SOCKS5"),
    pytest.param(b"\x03\x00\x00\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x03\0\0\0", "text", id="RDP"),
    pytest.param(b"\0\0\0\xa4\xffSMBr\0\0\0\0\x08\x01\x40" + bytes(16), "text", id="SMB"),
    pytest.param(b"\0\0\0\x66\xfeSMB\x40\0\x01\0" + bytes(20), "text", id="SMB2"),
    pytest.param(b"0\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\0\x80\0", "text", id="LDAP"),
    pytest.param(b"\0\x1e\0\x06\x01\0\0\x01\0\0\0\0\0\0\x07version\x04bind\0\0\x10\0\x03", "text", id="DNS over TCP"),
    pytest.param(b"JRMI\0\x02K", "Java", id="Java RMI"),
    pytest.param(b"\x3f\0\0\0\x01\0\0\0\0\0\0\0\xd4\x07\0\0\0\0\0\0admin.$cmd\0" + bytes(4), "text", id="MongoDB"),
    pytest.param(b"\0\0\0\x54\0\x03\0\0user\0postgres\0\0", "text", id="PostgreSQL"),
    pytest.param(b"\0\0\0\x08\x04\xd2\x16\x2f", "text", id="PostgreSQL, SSL"),
    pytest.param(b"CAP LS 302\r\nNICK ann\r\nUSER ann 0 * :Ann\r\n", "IRC", id="IRC"),
    pytest.param(b"NICK ann\r\nUSER ann 8 * :Ann\r\n", "IRC", id="IRC, an old client"),
    pytest.param(b"PASS secret\r\nNICK ann\r\nUSER ann 0 * :Ann\r\n", "IRC", id="IRC with a password"),
    pytest.param(b"USER a b c :d\r\nNICK a\r\n", "IRC", id="IRC, a bot"),
    pytest.param(b"CONNECT\naccept-version:1.2\n\n\0", "broker", id="STOMP"),
    pytest.param(b"AMQP\0\0\x09\x01", "broker", id="AMQP"),
    pytest.param(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x1e\x00\x04nmap", "text", id="MQTT"),
    pytest.param(b"<?xml version='1.0'?><stream:stream to='x' xmlns='jabber:client'>", "XMPP", id="XMPP"),
    pytest.param(b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n", "PROXY", id="PROXY protocol"),
    pytest.param(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", "PROXY", id="PROXY protocol, binary"),
    pytest.param(b"\x01default\n", "text", id="line printer"),
    pytest.param(b"l\0\x0b\0\0\0\0\0\0\0\0\0", "text", id="X11"),
    pytest.param(b"\x80\0\0\x28\x72\xfe\x1d\x13\0\0\0\0\0\0\0\x02", "text", id="RPC"),
    pytest.param(b"\x1b%-12345X@PJL INFO ID\r\n", "printer", id="PJL"),
    pytest.param(b"RFB 003.008\n", "desktop", id="VNC"),
    pytest.param(b"@RSYNCD: 31.0\n", "file", id="rsync"),
    pytest.param("hello\n".encode("utf-16"), "UTF-16", id="UTF-16"),
    pytest.param("hello\n".encode("utf-16-le"), "UTF-16", id="UTF-16, little-endian"),
    pytest.param("hello\n".encode("utf-16-be"), "UTF-16", id="UTF-16, big-endian"),
    pytest.param(b"\x02hello\x03 there", "text", id="control characters"),
]

#: What people begin with, some of them over telnet, and the programs that people write.
FIRST_WORDS = [
    "hello\n",
    "Hi",
    "GET me a coffee\n",
    "GET well soon\r\n",
    "POST it on the wall /then/ come\n",
    "HELO everybody\r\n",
    "HELLO\n",
    "helo\n",
    "EHLO or HELO?\n",
    "Hello|Bob",
    "<REGISTER>:Bob",
    '{"name": "Bob", "text": "GET / HTTP/1.1"}\n',
    "NICK is here\n",
    "NICK: hi\n",
    "NICK x\nhello\n",
    "USER error!\n",
    "PASS the salt, please\n",
    "PING\n",
    "QUIT smoking\n",
    "SSH does not work\n",
    "USE nginx HTTP/2 instead\n",
    "*1 for me\n",
    "*waves*\n",
    "INFO: the disk is full\n",
    "set theory is 1 of 2 things\n",
    "CAP sizes?\n",
    "CONNECT me\n",
    "John: GET / HTTP/1.1\n",
    "stats\n",
    "version\n",
    "I\r\n",
    "A\n",
    "0\n",
    "/nick SSH-2\n",
    "\r\nhello after a blank line\r\n",
    "a\ttab\n",
    "\x1b[A\x1b[Bafter the arrow keys\r\n",
    "\x1b[200~pasted\x1b[201~\r\n",
    "abc\x08\x08\x7fxy\r\n",
    "oops\x15right\r\n",
    "\x07wake up\n",
    "from a DOS file\r\n\x1a",
    "hello" + "\0" * 1019,
    "a\0" + "\0" * 1022,
    "one\0two\0",
    "héllo ☕ 你好 مرحبا שלום\n",
    "\ufeffwith a mark in front\n",
]


def verdict(first: bytes) -> Verdict | str:
    """What a chat that takes telnet out says of *first*."""
    return judge(TelnetFilter().feed(first)[0])


@pytest.mark.parametrize(("first", "word"), PROBES)
def test_another_protocols_greeting_gets_a_line(first: bytes, word: str) -> None:
    """Which says what to do, and is one line of text."""
    answer = verdict(first)
    assert isinstance(answer, str)
    assert word in answer
    assert answer.isprintable()


@pytest.mark.parametrize(
    "first",
    [
        b"GET / HTTP/1.1\r\n",
        b"M-SEARCH * HTTP/1.1\r\n",
        b"OPTIONS sip:nm SIP/2.0\r\n",
        b"\x16\x03\x01",
        b"\x05\x01\x00",
        b"SSH-2.0-Go\r\n",
        b"EHLO mail.example.org\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"CAP LS 302\r\n",
        b"NICK ann\r\nUSER ann 8 * :Ann\r\n",
        b"PASS secret\r\nNICK ann\r\nUSER ann 8 * :Ann\r\n",
        b"JRMI\0\x02K",
        b"\0\0\0\x66\xfeSMB\x40\0\x01\0",
        b"STOMP\nhost:x\n",
    ],
)
def test_a_greeting_in_two_reads_is_not_taken_for_text(first: bytes) -> None:
    """Wherever it is cut in two, until it is known."""
    for cut in range(1, len(first)):
        assert judge(first[:cut]) is not Verdict.TEXT, first[:cut]
    assert isinstance(judge(first), str)


@pytest.mark.parametrize("words", FIRST_WORDS)
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "gb18030", "shift_jis", "koi8-r"])
def test_first_words_are_text(words: str, encoding: str) -> None:
    """In whatever encoding, if it has the letters."""
    assert verdict(words.encode(encoding, "ignore")) in (Verdict.TEXT, Verdict.UNCLEAR)
    if len(words.split()) > 2:
        assert verdict(words.encode()) is Verdict.TEXT


@pytest.mark.parametrize(
    "text", ["Привет всем, как дела?", "你好，大家好", "こんにちは、みなさん", "café “quoted” naïve"]
)
@pytest.mark.parametrize("encoding", ["cp1251", "koi8-r", "gb18030", "big5", "shift_jis", "euc_jp", "cp1252", "cp437"])
def test_old_encodings_are_text(text: str, encoding: str) -> None:
    """None of their bytes is a control character."""
    assert verdict(text.encode(encoding, "ignore") + b"\r\n") in (Verdict.TEXT, Verdict.UNCLEAR)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1), st.sampled_from(["\n", "\r\n", ""]))
def test_a_line_of_text_is_refused_only_if_it_is_a_greeting(line: str, end: str) -> None:
    """Random text never has the form of one."""
    assert not isinstance(judge(f"{line}{end}".encode()), str)


@pytest.mark.parametrize(
    "first", [b"G", b"GET / HT", b"SSH-", b"*1\r\n", b"NICK ann\r\n", b"\x16", b"\x05", b"\r\n", b"\0"]
)
def test_what_the_next_bytes_will_tell_is_unclear(first: bytes) -> None:
    """It may also be a key that somebody has hit, or a word."""
    assert judge(first) is Verdict.UNCLEAR


@pytest.mark.parametrize("first", [b"h", b"Hi", b"hello", "é".encode(), b"alice: hi", b"\x1b[A", b"\x7f"])
def test_what_no_greeting_begins_with_is_clear(first: bytes) -> None:
    """Nobody waits for the next bytes."""
    assert judge(first) is Verdict.TEXT


def test_what_stays_unclear_is_text() -> None:
    """However much comes: only so much of it is kept."""
    assert judge(b"A " + b"x" * (MAX_UNCLEAR_BYTES - 2)) is Verdict.UNCLEAR
    assert judge(b"A " + b"x" * (MAX_UNCLEAR_BYTES - 1)) is Verdict.TEXT
    assert judge(b"A " + b"x" * 100_000) is Verdict.TEXT
