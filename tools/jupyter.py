"""A real JupyterLab, opened in a real Chromium."""

import asyncio
import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, sync_playwright

from tools import ROOT

OFFLINE = ROOT / "tools/offline"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def chromium() -> str | None:
    """A Chromium or Chrome of this machine, or Playwright's own."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


@contextmanager
def lab(folder: Path) -> Iterator[str]:
    """JupyterLab on `folder`, as `make lab` starts it, without a network; the address has a place for the name."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    token = secrets.token_hex(8)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser"]
    command += [f"--ServerApp.port={port}", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}"]
    log = folder / "lab.log"
    own = {name: str(folder / ".jupyter") for name in ("JUPYTER_CONFIG_DIR", "JUPYTERLAB_WORKSPACES_DIR")}
    surroundings = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (OFFLINE, ROOT))), **own}
    with log.open("w") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out, env=surroundings, cwd=folder)
    try:
        for _ in range(300):
            if server.poll() is not None:
                raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()}")
            with suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api?token={token}", timeout=5)
                break
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/lab/tree/{{name}}?token={token}"
    finally:
        server.terminate()
        server.wait(30)


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Pass on whatever is read so many seconds later, in its order."""
    waiting = deque()
    with suppress(ConnectionError):
        while chunk := await reader.read(1 << 16):
            waiting.append(chunk)
            asyncio.get_running_loop().call_later(seconds, lambda: writer.write(waiting.popleft()))
    await asyncio.sleep(seconds)
    writer.close()


@contextmanager
def delayed(address: str, seconds: float) -> Iterator[str]:
    """The same server at another address: everything takes so many seconds longer each way; bandwidth has no limit."""
    listening, done = socket.create_server(("127.0.0.1", 0)), threading.Event()
    there, here = urlsplit(address).port, listening.getsockname()[1]

    async def connect(reader, writer):
        with suppress(asyncio.CancelledError, ConnectionError):  # at the end
            reader_there, writer_there = await asyncio.open_connection("127.0.0.1", there)
            await asyncio.gather(carry(reader, writer_there, seconds), carry(reader_there, writer, seconds))

    async def serve():
        await asyncio.start_server(connect, sock=listening)
        await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=asyncio.run, args=[serve()])  # Playwright has the loop of the main thread
    thread.start()
    try:
        yield address.replace(f":{there}/", f":{here}/")
    finally:
        done.set()
        thread.join()


@contextmanager
def browser() -> Iterator[Browser]:
    """A headless browser. Playwright allows one at a time in a process."""
    path = chromium()
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=path, args=QUIET) as opened:
        yield opened


def new_page(opened: Browser) -> Page:
    """A page with cookies and storage of its own."""
    page = opened.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(60_000)
    return page


KERNEL_IS_IDLE = """() =>
    window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"""

# Every cell has its number, or one of them failed.
ALL_HAVE_RUN = """() => {
    const cells = Array.from(window.jupyterapp.shell.currentWidget.content.model.cells).filter(c => c.type === 'code');
    const failed = cells.some(c => c.outputs.toJSON().some(output => output.output_type === 'error'));
    return failed || cells.every(c => c.executionState === 'idle' && c.executionCount);
}"""

# The outputs of every code cell, as the notebook file would have them.
OUTPUTS = """() => Array.from(window.jupyterapp.shell.currentWidget.content.model.cells)
    .filter(cell => cell.type === 'code').map(cell => cell.outputs.toJSON())"""


def begin(page: Page, address: str, name: str) -> None:
    """Open a notebook and start all its cells."""
    page.goto(address.format(name=name))
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    page.wait_for_function(KERNEL_IS_IDLE)
    for command in ("clear-all-cell-outputs", "run-all-cells"):  # cleared, so that no stored number is taken for new
        page.evaluate(f"() => {{ window.jupyterapp.commands.execute('notebook:{command}'); }}")


def finish(page: Page) -> list[list[dict]]:
    """Wait for the last cell, ten minutes at most; the outputs of every code cell."""
    page.wait_for_function(ALL_HAVE_RUN, timeout=600_000)
    return page.evaluate(OUTPUTS)
