import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from simulators.link import Fault, Link

WAIT_S = 5.0


@contextlib.asynccontextmanager
async def echo() -> AsyncIterator[tuple[str, int]]:
    """A server that sends back what it gets."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1024):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[:2]
    finally:
        server.close()
        await server.wait_closed()


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, question: bytes) -> bytes:
    writer.write(question)
    await writer.drain()
    async with asyncio.timeout(WAIT_S):
        return await reader.readexactly(len(question))


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_carries_bytes_both_ways() -> None:
    async with echo() as target, Link(target) as link:
        reader, writer = await asyncio.open_connection(link.host, link.port)
        assert await ask(reader, writer, b"hello") == b"hello"
        writer.write_eof()
        assert await reader.read() == b""
        await close(writer)


async def test_cut_resets_what_is_connected_and_refuses_what_comes() -> None:
    async with echo() as target, Link(target) as link:
        reader, writer = await asyncio.open_connection(link.host, link.port)
        assert await ask(reader, writer, b"before") == b"before"

        await link.cut()
        with pytest.raises(ConnectionResetError):
            async with asyncio.timeout(WAIT_S):
                await reader.read(1)
        await close(writer)
        for _ in range(3):
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(link.host, link.port)

        await link.restore()
        reader, writer = await asyncio.open_connection(link.host, link.port)
        assert await ask(reader, writer, b"after") == b"after"
        await close(writer)


async def test_black_hole_takes_bytes_and_gives_none_until_it_is_restored() -> None:
    async with echo() as target, Link(target) as link:
        reader, writer = await asyncio.open_connection(link.host, link.port)
        assert await ask(reader, writer, b"before") == b"before"

        await link.cut(Fault.BLACK_HOLE)
        writer.write(b"swallowed")
        await writer.drain()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await reader.read(1)
        late_reader, late_writer = await asyncio.open_connection(link.host, link.port)
        late_writer.write(b"later")

        await link.restore()
        async with asyncio.timeout(WAIT_S):
            assert await reader.readexactly(9) == b"swallowed"
            assert await late_reader.readexactly(5) == b"later"
        await close(writer)
        await close(late_writer)


async def test_target_that_is_away_resets_the_caller() -> None:
    async with echo() as target:
        pass
    async with Link(target) as link:
        reader, writer = await asyncio.open_connection(link.host, link.port)
        with pytest.raises(ConnectionResetError):
            async with asyncio.timeout(WAIT_S):
                await reader.read(1)
        await close(writer)
        assert link.accepted == 1


async def test_leaving_ends_every_connection_even_when_black_holed() -> None:
    async with echo() as target:
        async with Link(target) as link:
            reader, writer = await asyncio.open_connection(link.host, link.port)
            await ask(reader, writer, b"x")
            await link.cut(Fault.BLACK_HOLE)
        async with asyncio.timeout(WAIT_S):
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read(1) == b""
        await close(writer)
        assert link.connections == 0


async def test_may_be_cut_and_restored_again_and_again() -> None:
    async with echo() as target, Link(target) as link:
        for _ in range(10):
            await link.cut()
            await link.cut(Fault.BLACK_HOLE)
            await link.restore()
            await link.restore()
        reader, writer = await asyncio.open_connection(link.host, link.port)
        assert await ask(reader, writer, b"still here") == b"still here"
        await close(writer)
