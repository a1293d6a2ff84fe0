"""Another project's dashboard, behind the checks and bounds of our own pages.

They have no such checks, or looser ones, but all are applications of WSGI, which any server can serve. It is a process
of its own, `python -m rnnsearch.cli.served_dashboard KIND PATH FD`, where FD is a socket that takes connections
already.
"""

import os
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from a2wsgi import WSGIMiddleware

from rnnsearch.page import serving
from rnnsearch.page.checks import checked
from rnnsearch.sweeps.parent import follow_parent

Application = Any  # of WSGI
HABITS = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def main(kind: str, path: str, descriptor: str) -> None:
    """Serve until a signal."""
    follow_parent()
    os.environ.update(HABITS)
    app: Any = WSGIMiddleware(BOARDS[kind](Path(path).absolute()))
    with socket.socket(fileno=int(descriptor)) as listener:
        hosts = serving.hosts(listener, listener.getsockname()[0])
        serving.make_server(checked(app, hosts)).run(sockets=[listener])


def _tensorboard(folder: Path) -> Application:
    from tensorboard.program import TensorBoard, TensorBoardServer

    class Server(TensorBoardServer):  # type: ignore[misc]  # TensorBoard has no types
        """Keeps the application, which TensorBoard hands out in no other way, and serves nothing."""

        application: Application

        def __init__(self, application: Application, flags: Any) -> None:
            Server.application = application

        def serve_forever(self) -> None:
            pass

        def get_url(self) -> str:
            return ""

    program = TensorBoard(server_class=Server)
    program.configure(["tensorboard", "--logdir", str(folder)])
    program.launch()
    return Server.application


def _optuna(file: Path) -> Application:
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna_dashboard import wsgi

    if file.suffix == ".journal":
        return wsgi(JournalStorage(JournalFileBackend(str(file))))
    return wsgi(RDBStorage(f"sqlite:///{file}"))


def _mlflow(database: Path) -> Application:
    from mlflow.server.constants import ARTIFACT_ROOT_ENV_VAR, BACKEND_STORE_URI_ENV_VAR

    os.environ[BACKEND_STORE_URI_ENV_VAR] = f"sqlite:///{database}"
    os.environ[ARTIFACT_ROOT_ENV_VAR] = str(database.with_name("mlflow_artifacts"))
    from mlflow.server import app  # reads them as it is imported

    return app


BOARDS: Mapping[str, Callable[[Path], Application]] = {
    "tensorboard": _tensorboard,
    "optuna": _optuna,
    "mlflow": _mlflow,
}

if __name__ == "__main__":
    main(*sys.argv[1:])
