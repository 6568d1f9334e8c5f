"""What docs/deploy offers agrees with the program (exit codes, times, knobs, commands), and its readers accept it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from rpa_shard.cli.arguments import parser
from rpa_shard.cli.output import SOME_FAILED, WRONG_USAGE
from rpa_shard.config.settings import Settings, knobs
from rpa_shard.ipc.run_status import RunState, read_status
from rpa_shard.observe.health import Level
from rpa_shard.store.data_folder import DataFolder
from tests.rig import wait_for

REPOSITORY = Path(__file__).parents[2]
DEPLOY = REPOSITORY / "docs" / "deploy"
SYSTEM_UNITS = DEPLOY / "systemd" / "system"
RUN_UNITS = (SYSTEM_UNITS / "rpa-shard.service", DEPLOY / "systemd" / "user" / "rpa-shard.service")
HEALTH_UNIT = SYSTEM_UNITS / "rpa-shard-health.service"
FILES = [path for path in DEPLOY.rglob("*") if path.is_file()]

DRAINED = {128 + signal.SIGTERM, 128 + signal.SIGINT}
# Another attempt would end in the same way.
FINAL = {SOME_FAILED, WRONG_USAGE}
# Not a knob: a secret is nothing to show in a status.
SERVE_TOKEN = "RPA_V2_SERVE_TOKEN"
STARTED = re.compile(r"^ExecStart=\S+", re.MULTILINE)


def unit(path: Path) -> Mapping[str, list[str]]:
    """The settings of a unit, each with all its values."""
    found = defaultdict(list)
    for line in path.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found[name].append(value)
    return found


def environment_of(path: Path) -> dict[str, str]:
    return dict(each.split("=", 1) for each in unit(path)["Environment"])


def codes(text: str) -> set[int]:
    return {int(each) for each in text.split()}


def compose() -> Any:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]


def job() -> tuple[Any, Any]:
    """The volume claim and the Job."""
    claim, made = yaml.safe_load_all((DEPLOY / "kubernetes-job.yaml").read_text())
    return claim, made["spec"]


def indexed_job() -> Any:
    """The Indexed Job's specification."""
    return yaml.safe_load((DEPLOY / "kubernetes-indexed-job.yaml").read_text())["spec"]


def node_container() -> Any:
    (container,) = indexed_job()["template"]["spec"]["containers"]
    return container


def run_container() -> Any:
    (container,) = job()[1]["template"]["spec"]["containers"]
    return container


def job_environment() -> dict[str, str]:
    return {each["name"]: each["value"] for each in run_container()["env"]}


@pytest.mark.parametrize("path", RUN_UNITS, ids=lambda path: path.parent.name)
def test_a_unit_starts_again_only_what_may_end_otherwise(path: Path) -> None:
    found = unit(path)
    assert found["Restart"] == ["on-failure"]
    assert codes(found["SuccessExitStatus"][0]) == DRAINED
    assert codes(found["RestartPreventExitStatus"][0]) == FINAL
    assert int(found["StartLimitBurst"][0]) * int(found["RestartSec"][0]) < 30 * 60, "the limit can be met"


def test_a_warning_is_no_failed_health_check() -> None:
    assert codes(unit(HEALTH_UNIT)["SuccessExitStatus"][0]) == {Level.WARNING}


def test_a_run_has_time_to_drain() -> None:
    for path in RUN_UNITS:
        assert float(unit(path)["TimeoutStopSec"][0]) > float(environment_of(path)["RPA_V2_DRAIN_SECONDS"])
    run = compose()["run"]
    assert float(run["stop_grace_period"].removesuffix("s")) > float(run["environment"]["RPA_V2_DRAIN_SECONDS"])
    grace_seconds = job()[1]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace_seconds > float(job_environment()["RPA_V2_DRAIN_SECONDS"])


def test_descriptors_are_enough_for_one_shard_with_everything() -> None:
    needed = Settings(shard_count=1).descriptors
    assert compose()["run"]["ulimits"]["nofile"] >= needed
    assert all(int(unit(path)["LimitNOFILE"][0]) >= needed for path in RUN_UNITS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_knobs_exist(path: Path) -> None:
    known = {each.metadata["knob"] for each in knobs()} | {SERVE_TOKEN}
    assert set(re.findall(r"RPA_V2_[A-Z_]+", path.read_text())) <= known


def test_settings_of_the_files_are_valid() -> None:
    given = [environment_of(RUN_UNITS[0]), job_environment(), {"RPA_V2_DRAIN_SECONDS": "30"}]
    for each in given:
        Settings.from_environment(each)


def command_lines() -> list[list[str]]:
    """The arguments of every command that a file starts."""
    lines: list[Sequence[str]] = [shlex.split(unit(path)["ExecStart"][0])[1:] for path in (*RUN_UNITS, HEALTH_UNIT)]
    lines += [service["command"] for service in compose().values()]
    lines += [run_container()["args"], node_container()["args"]]
    (add,) = job()[1]["template"]["spec"]["initContainers"]
    for text in (*add["command"], *(DEPLOY / "Dockerfile").read_text().splitlines(), cron_line()):
        lines += [
            shlex.split(each) for each in re.findall(r"(?:rpa-shard|run\.sh) ([a-z][^|\"]*)", text) if "#" not in text
        ]
    return [list(each) for each in lines]


def cron_line() -> str:
    (line,) = [each for each in (DEPLOY / "crontab").read_text().splitlines() if re.match(r"[\d*]", each)]
    return line


@pytest.mark.parametrize("arguments", command_lines(), ids=" ".join)
def test_commands_exist(arguments: list[str]) -> None:
    assert parser().parse_args(arguments).command == arguments[0]


def test_a_cron_line_has_five_fields_and_a_command() -> None:
    *times, command, name, quiet = cron_line().split()
    assert (len(times), command.endswith("/run.sh"), name, quiet) == (5, True, "run", "--quiet")


def test_what_the_image_is_made_of_exists_and_reaches_the_builder() -> None:
    allowed = {line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    sources = {source for each in copied for source in each.split()}
    assert sources == allowed
    assert [source for source in sources if not (REPOSITORY / source).exists()] == []
    build = compose()["run"]["build"]
    context = (DEPLOY / build["context"]).resolve()
    assert (context, (context / build["dockerfile"]).exists()) == (REPOSITORY, True)


def test_the_image_stops_as_the_program_does() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    assert 'ENTRYPOINT ["rpa-shard"]' in lines, "without a shell, which would swallow SIGTERM"
    assert "USER 10001:10001" in lines
    assert not any(line.startswith("STOPSIGNAL") for line in lines)


def test_the_dockerfile_passes_its_linter() -> None:
    linter = Path(sys.executable).parent / "hadolint"
    ended = subprocess.run([str(linter), str(DEPLOY / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "")


def test_the_page_of_the_compose_file_is_for_this_machine_only_and_needs_a_token() -> None:
    run, serve = compose()["run"], compose()["serve"]
    assert all(each.startswith("127.0.0.1:") for each in serve["ports"])
    assert serve["environment"][SERVE_TOKEN].startswith(f"${{{SERVE_TOKEN}:?")
    assert serve["pid"] == "service:run", "a run's processes must be seen to be known to live"
    assert serve["volumes"] == [f"{each}:ro" for each in run["volumes"]]
    assert {each["restart"] for each in (run, serve)} == {"on-failure:5"}
    assert run["init"] is True


def test_a_job_is_one_pod_on_one_disk() -> None:
    claim, spec = job()
    pod = spec["template"]["spec"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert (spec["completions"], spec["parallelism"], spec["podReplacementPolicy"]) == (1, 1, "Failed")
    assert pod["restartPolicy"] == "Never"
    assert not [each for each in run_container() if each.endswith("Probe")]
    (rule,) = [each for each in spec["podFailurePolicy"]["rules"] if each["action"] == "FailJob"]
    assert set(rule["onExitCodes"]["values"]) == FINAL
    volumes = {each["name"]: each for each in pod["volumes"]}
    assert volumes["papers"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    mounted = {
        each["name"] for container in (run_container(), *pod["initContainers"]) for each in container["volumeMounts"]
    }
    assert mounted == set(volumes)


def test_a_job_has_memory_for_its_shards() -> None:
    settings = Settings.from_environment(job_environment())
    needed = settings.shard_count * (settings.shard_memory_bytes + settings.child_memory_bytes)
    assert int(run_container()["resources"]["limits"]["memory"].removesuffix("Gi")) * 2**30 > needed


def test_each_pod_of_an_indexed_job_is_a_node_of_its_own() -> None:
    spec = indexed_job()
    pod = spec["template"]["spec"]
    assert (spec["completionMode"], spec["completions"]) == ("Indexed", spec["parallelism"])
    assert (pod["restartPolicy"], spec["podReplacementPolicy"]) == ("Never", "Failed")
    (rule,) = [each for each in spec["podFailurePolicy"]["rules"] if each["action"] == "FailIndex"]
    assert set(rule["onExitCodes"]["values"]) == FINAL
    variables = {each["name"]: each for each in node_container()["env"]}
    names = list(variables)
    assert variables["RPA_V2_NODE"]["value"].endswith("-$(INDEX)")
    assert names.index("INDEX") < names.index("RPA_V2_NODE"), "a variable is known to those after it"
    assert variables["RPA_V2_NODE_ADDRESS"]["valueFrom"]["fieldRef"]["fieldPath"] == "status.podIP"
    texts = {name: each["value"] for name, each in variables.items() if name.startswith("RPA_V2_") and "value" in each}
    settings = Settings.from_environment({**texts, "RPA_V2_NODE": texts["RPA_V2_NODE"].replace("$(INDEX)", "0")})
    assert pod["terminationGracePeriodSeconds"] > settings.drain_seconds
    assert settings.store is not None
    assert settings.artifacts is not None
    needed = settings.shard_count * (settings.shard_memory_bytes + settings.child_memory_bytes)
    assert int(node_container()["resources"]["limits"]["memory"].removesuffix("Gi")) * 2**30 > needed


def test_volumes_of_an_indexed_job_are_those_that_are_mounted() -> None:
    pod = indexed_job()["template"]["spec"]
    containers = [*pod["initContainers"], *pod["containers"]]
    mounts = [each for container in containers for each in container["volumeMounts"]]
    volumes = {each["name"]: each for each in pod["volumes"]}
    assert {each["name"] for each in mounts} == set(volumes)
    assert "emptyDir" in volumes["data"], "what counts is elsewhere"
    password = next(each["value"] for each in node_container()["env"] if each["name"] == "PGPASSFILE")
    (private,) = {each["mountPath"] for each in mounts if each["name"] == "private"}
    assert Path(password).parent == Path(private)


@pytest.mark.parametrize("name", ["slurm-array.sh", "ssh.sh"])
def test_scripts_are_valid_and_start_a_node(name: str) -> None:
    path = DEPLOY / name
    assert os.access(path, os.X_OK)
    subprocess.run(["bash", "-n", str(path)], check=True)
    (line,) = re.findall(r"(?:rpa-shard|rpa-shard}) (node[a-z -]*)", path.read_text())
    assert parser().parse_args(line.split()).command == "node"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("scope", ["system", "user"])
def test_systemd_accepts_the_units(scope: str, tmp_path: Path) -> None:
    """With a program that exists here, as `verify` wants."""
    for path in (DEPLOY / "systemd" / scope).iterdir():
        (tmp_path / path.name).write_text(STARTED.sub("ExecStart=/bin/true", path.read_text()))
    ended = subprocess.run(
        ["systemd-analyze", f"--{scope}", "verify", *map(str, tmp_path.iterdir())],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_what_a_unit_starts_ends_clean_after_its_signal(tmp_path: Path) -> None:
    found = unit(RUN_UNITS[0])
    folder = DataFolder(tmp_path / "data")
    environment = {**os.environ, **environment_of(RUN_UNITS[0]), "RPA_V2_DATA_DIR": str(folder.root)}
    arguments = shlex.split(found["ExecStart"][0])[1:]
    with subprocess.Popen([sys.executable, "-m", "rpa_shard", *arguments], env=environment, cwd=tmp_path) as process:
        try:

            def runs() -> bool:
                status = read_status(folder.run.status_file)
                return status is not None and status.state is RunState.RUNNING

            wait_for(runs, "the run is on")
            process.send_signal(signal.Signals[found["KillSignal"][0]])
            assert process.wait(60) in codes(found["SuccessExitStatus"][0])
        finally:
            process.kill()
