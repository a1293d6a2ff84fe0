"""Keys of the environment and of ~/.netrc are in nothing that a run leaves behind or prints."""

from pathlib import Path

import pytest

from rnnsearch.config.secrets import hidden, refuse_secrets

from .conftest import Shell

KEY = "0123456789abcdef0123456789abcdef01234567"
NETRC = "a-password-of-netrc"
NAMES = ("WANDB_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "MLFLOW_TRACKING_PASSWORD", "AWS_SECRET_ACCESS_KEY")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Keys, each with a value of its own, and a home with a .netrc; dashboards write to this machine."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".netrc").write_text(f"machine api.wandb.ai\n  login user\n  password {NETRC}\n")
    keys = {name: f"{name[:4]}{KEY[4:]}" for name in NAMES}
    return {**keys, "HOME": str(tmp_path / "home"), "WANDB_MODE": "offline"}


def leaks(text: bytes, environment: dict[str, str]) -> list[str]:
    return [name for name in NAMES if environment[name].encode() in text] + ["netrc"] * (NETRC.encode() in text)


def check(folder: Path, environment: dict[str, str]) -> int:
    files = [path for path in folder.rglob("*") if path.is_file()]
    for path in files:
        assert not leaks(path.read_bytes(), environment), path
    return len(files)


def refused(shell: Shell, environment: dict[str, str], *words: object, capfd: pytest.CaptureFixture[str]) -> str:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return shell.refused(*words, capfd=capfd)


@pytest.mark.slow
@pytest.mark.parametrize("loggers", ["many"])
def test_a_run_a_sweep_and_their_reports(shell: Shell, environment: dict[str, str], loggers: str) -> None:
    words = ("-m", "seed=1,2", "study=secret", f"logger={loggers}", "samples=2")
    said = shell.train(shell.folder, *words, environment=environment)
    assert not leaks((said.stdout + said.stderr).encode(), environment)
    study = shell.folder / "outputs" / "secret"
    assert (study / "report.html").is_file()
    assert list(study.glob("*/wandb/*"))
    assert check(shell.folder, environment) > 50


@pytest.mark.slow
def test_a_failure_s_story(shell: Shell, environment: dict[str, str], tmp_path: Path) -> None:
    """A path that holds the key is in the error, the traceback and the log."""
    secret = tmp_path / environment["HF_TOKEN"]
    (secret / "validation.jsonl").parent.mkdir()
    environment["RNNSEARCH_CACHE"] = str(secret / "cache")
    (secret / "validation.jsonl").write_text("{}\n")
    words = ("data=jsonl", f"data.train={secret}/validation.jsonl", f"data.validation={secret}/validation.jsonl")
    environment = {**environment, "HF_TOKEN": KEY}  # so that the command itself is no secret
    said = shell("train", *words, "trainer=cpu", f"hydra.run.dir={tmp_path}/run", code=1, environment=environment)
    assert not leaks((said.stdout + said.stderr).encode(), environment)
    check(tmp_path / "run", environment)


@pytest.mark.parametrize("word", ["+logger.wandb.api_key={}", "member={}", "+x={}", "+HF_TOKEN={}"])
def test_a_key_in_a_command_is_refused(
    shell: Shell, environment: dict[str, str], tmp_path: Path, word: str, capfd: pytest.CaptureFixture[str]
) -> None:
    word = word.format(environment["WANDB_API_KEY"])
    said = refused(shell, environment, *shell.training(tmp_path / "run", word), capfd=capfd)
    assert "give it through the environment instead" in said
    assert not leaks(said.encode(), environment)
    assert not (tmp_path / "run").exists()


def test_a_key_that_a_config_looks_up_is_refused(
    shell: Shell, environment: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = shell.training(tmp_path / "run", "member=${oc.env:WANDB_API_KEY}")
    assert "member=... holds a secret" in refused(shell, environment, *words, capfd=capfd)
    assert check(tmp_path / "run", environment) <= 1  # the lock


def test_what_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "short")
    monkeypatch.setenv("OTHER_TOKEN", "long enough")
    refuse_secrets(["budget.tokens=12345678", "tokenizer=word", "-m", "study=short", "member=null", "~logger"])
    assert hidden("short, long enough") == "short, ***"
    assert hidden("http://user:password@host/x http://host:80/a@b") == "http://***@host/x http://host:80/a@b"
    with pytest.raises(ValueError, match=r"^logger\.mlflow\.tracking_uri=\.\.\. holds a secret"):
        refuse_secrets(["logger.mlflow.tracking_uri=http://me:pw@host"])
