"""The ways to set up agree, Binder accepts its folder, and nothing in the tree belongs to one machine."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {"torch": "pytorch-cpu", "matplotlib": "matplotlib-base"}


def wanted():
    """pyproject's dependencies under their conda-forge names: {"pytorch-cpu": ">=2.6", …}."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pairs = [re.fullmatch(r"([\w-]+)(.*)", line).groups() for line in project["dependencies"]]
    return {CONDA_NAMES.get(name, name): version for name, version in pairs}


def test_conda_installs_what_pip_does():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["channels"] == ["conda-forge"]
    pairs = dict(re.fullmatch(r"([\w-]+)(.*)", line).groups() for line in environment["dependencies"])
    assert pairs.pop("python") == "=3.12"  # repo2docker ignores anything but python=X.Y
    assert pairs.pop("pip") == ""
    assert pairs == wanted()


def test_binder_gets_exact_versions_of_all_that_pip_installs():
    lines = (ROOT / "binder/requirements.txt").read_text().splitlines()
    assert lines[1] == "--extra-index-url https://download.pytorch.org/whl/cpu"  # PyTorch without CUDA
    locked = dict(line.split("==") for line in lines[2:])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for asked in map(Requirement, project["dependencies"]):
        assert asked.specifier.contains(locked[asked.name]), asked
    assert not [name for name in locked if name.startswith(("cuda", "nvidia", "triton"))]
    for script in ("postBuild", "start"):
        assert (ROOT / "binder" / script).stat().st_mode & 0o111
        subprocess.run(["bash", "-n", ROOT / "binder" / script], check=True)


def test_repo2docker_accepts_binder(tmp_path):
    """It parses binder/ and writes the Dockerfile that it would build; Docker itself is not needed."""
    tracked = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    for name in filter(None, tracked.stdout.split("\n")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tmp_path / name)
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", "."]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    said = result.stdout + result.stderr
    assert result.returncode == 0, said
    assert "Building conda environment for python=3.12" in said
    assert all(f"binder/{name}" in said for name in ("requirements.txt", "postBuild", "start"))


def test_jupyter_starts_without_what_binder_takes_away():
    (taken,) = re.findall(r"pip uninstall --yes (\S+)", (ROOT / "binder/postBuild").read_text())
    assert f"\n{taken}==" in (ROOT / "binder/requirements.txt").read_text()
    script = f"import sys; sys.modules[{taken.replace('-', '_')!r}] = None; import jupyterlab.labapp"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_subshells_are_off_where_the_environment_is_ours():
    settings = (ROOT / "binder/overrides.json").read_text()
    assert '"commsOverSubshells": "disabled"' in settings
    for place in ("Makefile", "binder/postBuild"):
        assert re.search(r"^\s*cp binder/overrides\.json \S+/", (ROOT / place).read_text(), re.M)


def test_threads_that_wait_sleep():
    """As the library that runs them says itself, when PyTorch has loaded it; where it is GNU's, as on Linux."""
    surroundings = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    command = [sys.executable, "-c", "import paper_nets"]
    said = subprocess.run(
        command, env={**surroundings, "OMP_DISPLAY_ENV": "TRUE"}, cwd=ROOT, capture_output=True, text=True
    ).stderr
    if "OMP_WAIT_POLICY" not in said:
        pytest.skip("this PyTorch has another library for threads")
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in said
    for place in ("Makefile", "binder/start"):  # a kernel may import PyTorch first
        assert re.search(r"^export OMP_WAIT_POLICY *\??= *passive", (ROOT / place).read_text(), re.M)


def test_no_path_or_host_of_one_machine():
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    texts = [n for n in names if n.endswith((".py", ".md", ".yml", ".toml", ".json", ".csv", ".ipynb", "Makefile"))]
    for name in set(texts) - {"tests/test_environment.py", "tests/test_notebooks.py"}:
        text = (ROOT / name).read_text()
        assert not re.search(r"(?<![\w.:/])/(root|work|home|opt|Users)/\w", text), name
        assert not re.search(r"https?://[^/\s]*(pypi|pythonhosted|whl|registry)", text), name


def test_the_package_carries_its_data(tmp_path):
    """A wheel holds the published tables and the recorded runs: the package works without its checkout."""
    shutil.copytree(ROOT / "paper_nets", tmp_path / "paper_nets", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, tmp_path)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", "wheel", "."]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    (wheel,) = (tmp_path / "wheel").glob("*.whl")
    assert wheel.stat().st_size < 20e6
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    held = set(zipfile.ZipFile(wheel).namelist())
    for part in ("published", "recorded"):
        files = [p for p in (ROOT / "paper_nets" / part).rglob("*") if p.is_file() and "__pycache__" not in p.parts]
        assert files
        assert {p.relative_to(ROOT).as_posix() for p in files} <= held
    surroundings = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    script = "import paper_nets.__main__ as m; print(m.__file__); m.main(['compare'])"
    command = [sys.executable, "-c", script]
    said = subprocess.run(command, cwd=tmp_path / "wheel", env=surroundings, capture_output=True, text=True).stdout
    assert said.startswith(str(tmp_path / "installed")) and "densenet_bc100_k12" in said


def test_what_others_run_is_what_there_is():
    """The workflow, on three systems and from the oldest Python on, and the dev container."""
    text = (ROOT / ".github/workflows/tests.yml").read_text()
    jobs = yaml.safe_load(text)["jobs"]
    matrix = jobs["make-test"]["strategy"]["matrix"]
    assert {*matrix["os"], jobs["windows"]["runs-on"]} == {f"{name}-latest" for name in ("ubuntu", "macos", "windows")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f">={matrix['python'][0]}" == project["requires-python"]
    assert jobs["book"]["needs"] == "make-test" and jobs["book"]["permissions"]["pages"] == "write"
    text += json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())["postCreateCommand"]
    assert set(re.findall(r"make (\w+)", text)) >= {"env", "test", "book"}
    for target in re.findall(r"make (\w+)", re.sub("#.*", "", text)):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M), target
    for name in re.findall(r"tests/test_\w+\.py", text):
        assert (ROOT / name).exists()


def test_the_version_has_its_section_in_the_changelog():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"\n## {version}\n" in (ROOT / "CHANGELOG.md").read_text()


def test_it_can_be_cited():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(cited)
    readme = (ROOT / "README.md").read_text()
    assert all(paper["title"] in readme for paper in cited["references"])


@pytest.mark.parametrize("origin", ["https://github.com/ada/nets.git", "git@github.com:ada/nets", "/somewhere/nets"])
def test_the_badge_gets_the_name_of_the_repository(origin, tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    link = "https://mybinder.org/v2/gh/{}/HEAD?labpath=notebooks/00-start-here.ipynb"
    texts = [
        tmp_path / name for name in ("README.md", "README.ko.md", "notebooks/ko-00.ipynb", "translations/ko/00.po")
    ]
    for text in texts:
        text.parent.mkdir(parents=True, exist_ok=True)
        text.write_text(link.format("OWNER/NAME"))
    for command in (["git", "init", "-q"], ["git", "remote", "add", "origin", origin]):
        subprocess.run(command, cwd=tmp_path, check=True)
    made = subprocess.run(["make", "badge"], cwd=tmp_path, capture_output=True, text=True)
    if origin.startswith("/"):
        assert (
            made.returncode != 0 and "origin is not on GitHub" in made.stderr and "OWNER/NAME" in texts[0].read_text()
        )
    else:
        assert made.returncode == 0
        assert all(text.read_text() == link.format("ada/nets") for text in texts)


@pytest.mark.parametrize(("first", "policy"), [("paper_nets", "passive"), ("torch", "None")])
def test_how_threads_wait_is_said_only_while_pytorch_can_still_hear_it(first, policy):
    script = f"import os, {first}, paper_nets; print(os.environ.get('OMP_WAIT_POLICY'))"
    surroundings = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=surroundings)
    assert result.stdout.strip() == policy
