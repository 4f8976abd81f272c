"""A relay that commits one fault, once, to show that the load generators notice it.

    python faulty.py PORT {none,lose,double,reorder,garble,echo}

The fault is in line 10 of talker u0, and only the third member gets it. `echo` sends each line back as it is, except
for the tenth.
"""

from __future__ import annotations

import asyncio
import sys

UNLUCKY_LINE = 10
UNLUCKY_MEMBER = 2

members: list[asyncio.StreamWriter] = []
held: list[bytes] = []


def faulty(line: bytes, fault: str) -> list[bytes]:
    """Return what the unlucky member is sent in place of `line`."""
    if held:
        return [line, held.pop()]
    if not line.startswith(b"u0: %08d " % UNLUCKY_LINE) or fault == "none":
        return [line]
    if fault == "reorder":
        held.append(line)
    return {"lose": [], "reorder": [], "double": [line, line], "garble": [line[:-2] + b"?\n"]}[fault]


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fault: str) -> None:
    members.append(writer)
    writer.write(b"* hi\n")
    while line := await reader.readline():
        for index, member in enumerate(members):
            if member is not writer:
                member.writelines(faulty(line, fault) if index == UNLUCKY_MEMBER else [line])


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    number = 0
    while line := await reader.readline():
        number += 1
        writer.write(b"?" + line[1:] if number == UNLUCKY_LINE else line)


async def serve(port: int, fault: str) -> None:
    handler = echo if fault == "echo" else lambda reader, writer: relay(reader, writer, fault)
    server = await asyncio.start_server(handler, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))
