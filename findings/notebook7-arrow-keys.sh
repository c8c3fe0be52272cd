#!/bin/sh
# A plain ipywidgets.IntSlider, in JupyterLab and in Notebook 7 of one environment. One expects the arrow keys to move
# the slider that has the focus, as they do in JupyterLab; in Notebook 7.6.5 they never reach it, while Page Up does:
# its shortcuts are asked in the capture phase, before the slider, and take the arrows for the cells. (JupyterLab starts
# with bubblingKeydown, which Notebook's bundle does not set.) Needs a Chromium of the machine, or Playwright's own.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "notebook==7.6.5" "jupyterlab==4.6.6" "ipywidgets==8.1.9" ipykernel playwright nbformat
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.metadata import version

import nbformat
from playwright.sync_api import sync_playwright

kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
cell = nbformat.v4.new_code_cell("import ipywidgets\nipywidgets.IntSlider(value=3, max=99)")
nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=kernel), "slider.ipynb")
moved = {}
with sync_playwright() as playwright:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
    for module, path in (("jupyterlab", "lab/tree"), ("notebook", "notebooks")):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = [f"--ServerApp.port={port}", "--IdentityProvider.token=a", "--no-browser", "--allow-root"]
        own = {"JUPYTER_CONFIG_DIR": "config", "JUPYTERLAB_WORKSPACES_DIR": "workspaces"}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": {**os.environ, **own}}
        server = subprocess.Popen([sys.executable, "-m", module, *options], **quiet)
        try:
            for _ in range(200):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/api?token=a")
                    break
                except OSError:
                    time.sleep(0.3)
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{port}/{path}/slider.ipynb?token=a")
            page.wait_for_selector(".jp-Notebook .jp-Cell")
            page.wait_for_timeout(6000)
            page.get_by_role("menuitem", name="Run", exact=True).first.click()
            page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
            slider = page.locator(".noUi-handle").first
            slider.wait_for(timeout=60_000)
            page.wait_for_timeout(2000)
            for key in ("ArrowRight", "PageUp"):
                slider.focus()
                before = slider.get_attribute("aria-valuenow")
                page.keyboard.press(key)
                page.wait_for_timeout(500)
                after = slider.get_attribute("aria-valuenow")
                moved[module, key] = before != after
                print(f"{module} {version(module)}, {key}: {before} to {after}")
            page.close()
        finally:
            server.terminate()
            server.wait(30)
assert moved["jupyterlab", "ArrowRight"] and moved["jupyterlab", "PageUp"] and moved["notebook", "PageUp"]
assert not moved["notebook", "ArrowRight"]
PYTHON
