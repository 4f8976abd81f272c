"""Chat and echo with asyncio streams, on asyncio's own event loop or on uvloop.

    python streams.py PORT {chat,echo} {asyncio,uvloop}

A line is written to the others without awaiting `drain()`. Otherwise one reader that stalls would stop every talker in
turn. What a reader does not take stays in memory, without bound: that is the price of this idiom.
"""

from __future__ import annotations

import asyncio
import sys

members: set[asyncio.StreamWriter] = set()


async def chat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    members.add(writer)
    writer.write(b"* hi\n")
    try:
        while line := await reader.readline():
            for member in members:
                if member is not writer:
                    member.write(line)
    except ConnectionError:
        pass
    finally:
        members.discard(writer)
        writer.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def serve(port: int, app: str) -> None:
    server = await asyncio.start_server(chat if app == "chat" else echo, "127.0.0.1", port, backlog=4096)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[3] == "uvloop":
        import uvloop

        uvloop.install()
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))
