"""The watch is itself watched: each kind of thing left behind fails the test that left it."""

import pytest

pytest_plugins = ["pytester"]

LEAVING = {
    "a thread": (
        """
        import threading
        kept = threading.Event()
        def test_leaving():
            threading.Thread(target=kept.wait, args=(20,), name="forgotten", daemon=False).start()
        def teardown_module():
            kept.set()
        """,
        "*left behind: thread forgotten*",
    ),
    "a child process": (
        """
        import subprocess
        kept = []
        def test_leaving():
            kept.append(subprocess.Popen(["sleep", "20"]))
        def teardown_module():
            kept[0].kill()
            kept[0].wait()
        """,
        "*left behind: child process * sleep 20*",
    ),
    "a socket": (
        """
        import socket
        kept = []
        def test_leaving():
            kept.append(socket.socket())
        def teardown_module():
            kept[0].close()
        """,
        "*left behind: open socket*",
    ),
    "a task": (
        """
        import asyncio
        async def test_leaving():
            asyncio.create_task(asyncio.sleep(20), name="forgotten")
        """,
        "*asyncio tasks left behind: forgotten*",
    ),
    "a task of a loop of its own": (
        """
        import asyncio
        async def leave():
            asyncio.create_task(asyncio.sleep(20), name="forgotten")
        def test_leaving():
            asyncio.run(leave())
        """,
        "*asyncio tasks left behind: forgotten*",
    ),
    "a connection to elsewhere": (
        """
        import socket
        def test_leaving():
            with socket.socket() as elsewhere:
                elsewhere.connect(("192.0.2.1", 80))
        """,
        "*StrayConnectionError: connect 192.0.2.1:80*",
    ),
    "a connection to elsewhere whose error is swallowed": (
        """
        import contextlib, socket
        def test_leaving():
            with contextlib.suppress(BaseException), socket.socket() as elsewhere:
                elsewhere.connect(("192.0.2.1", 80))
        """,
        "*StrayConnectionError: connect 192.0.2.1:80*",
    ),
    "a look-up of a name": (
        """
        import socket
        def test_leaving():
            socket.getaddrinfo("example.org", 80)
        """,
        "*StrayConnectionError: look-up of 'example.org'*",
    ),
    "a datagram to elsewhere": (
        """
        import socket
        def test_leaving():
            with socket.socket(type=socket.SOCK_DGRAM) as elsewhere:
                elsewhere.sendto(b"", ("192.0.2.1", 1700))
        """,
        "*StrayConnectionError: sendto 192.0.2.1:1700*",
    ),
    "a port open to everybody": (
        """
        import socket
        def test_leaving():
            with socket.socket() as listener:
                listener.bind(("0.0.0.0", 0))
        """,
        "*StrayConnectionError: bind 0.0.0.0:0*",
    ),
    "a skip": (
        """
        import pytest
        def test_leaving():
            pytest.skip("no broker here")
        """,
        "*was skipped*",
    ),
    "a coroutine nobody awaits": (
        """
        async def speak(): ...
        def test_leaving():
            speak()
        """,
        "*coroutine 'speak' was never awaited*",
    ),
}

NOTHING_LEFT = """
    import asyncio, socket, subprocess, threading
    import pytest

    @pytest.fixture(scope="module")
    def kept_by_a_wider_fixture():
        with socket.socket() as kept:
            yield kept

    @pytest.fixture
    async def served(free_port):
        server = await asyncio.start_server(lambda _, to: to.close(), "127.0.0.1", free_port)
        async with server:
            yield free_port

    def test_threads_and_processes(kept_by_a_wider_fixture):
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
        subprocess.run(["true"], check=True)

    async def test_tasks_and_sockets(served):
        reader, writer = await asyncio.open_connection("127.0.0.1", served)
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.to_thread(int))
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()

    def test_unix_sockets_and_datagrams(monkeypatch, tmp_path, free_udp_port):
        monkeypatch.chdir(tmp_path)
        with socket.socket(socket.AF_UNIX) as unix:
            unix.bind("socket")
        datagrams = socket.SOCK_DGRAM
        with socket.socket(type=datagrams) as udp, socket.socket(type=datagrams) as to:
            to.bind(("127.0.0.1", free_udp_port))
            udp.sendto(b"frame", ("127.0.0.1", free_udp_port))
            assert to.recv(10) == b"frame"

    def test_a_client_that_binds_before_it_connects():
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname(), source_address=("", 0)).close()
            server.accept()[0].close()
"""


@pytest.fixture
def ground(pytester: pytest.Pytester, pytestconfig: pytest.Config) -> pytest.Pytester:
    """A folder of tests under this repository's fixtures and its pytest settings."""
    root = pytestconfig.rootpath
    pytester.makepyprojecttoml((root / "pyproject.toml").read_text())
    pytester.makeconftest((root / "tests" / "conftest.py").read_text())
    pytester.syspathinsert(root)
    return pytester


def test_what_is_left_behind_fails_the_test(ground: pytest.Pytester) -> None:
    names = {what: f"test_{what.replace(' ', '_')}" for what in LEAVING}
    files = [ground.makepyfile(**{names[what]: code}) for what, (code, _) in LEAVING.items()]
    result = ground.runpytest_subprocess(*files)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    for what, (_, message) in LEAVING.items():
        summary = [
            line
            for line in result.outlines
            if line.startswith(("FAILED ", "ERROR ")) and f" {names[what]}.py::test_leaving" in line
        ]
        assert len(summary) >= 1, f"{what} was not noticed"
        result.stdout.fnmatch_lines_random([message])


def test_what_is_cleared_away_passes(ground: pytest.Pytester) -> None:
    file = ground.makepyfile(NOTHING_LEFT)
    result = ground.runpytest_subprocess(file)
    result.assert_outcomes(passed=4)
