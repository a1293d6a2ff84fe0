"""The source from which Hydra takes YAML here: its files are read by `yaml_files`, a user's own are judged."""

from functools import cache
from pathlib import Path

from hydra._internal.core_plugins import file_config_source
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigLoadError, ConfigResult
from omegaconf import OmegaConf

from rnnsearch.config.config_dir import config_dir
from rnnsearch.config.unread_keys import check_read
from rnnsearch.config.yaml_files import header_of, package_of, read_text, read_values


class FileConfigSource(file_config_source.FileConfigSource):
    """A folder of YAML files, in the place of Hydra's own reader.

    It has that one's name, by which Hydra knows it: a launcher's process inherits it, and registers Hydra's own again.
    """

    def load_config(self, config_path: str) -> ConfigResult:
        """Read a file.

        Raises:
            ValueError: if it is no configuration, or has keys that nothing reads.
            ConfigLoadError: if it is not there.
        """
        path = Path(self.path, self._normalize_file_name(config_path))
        if not path.is_file():
            raise ConfigLoadError(f"{path} is not there")
        about = path.stat()
        header, package, values = _read(path, config_path, (about.st_mtime_ns, about.st_size))
        if Path(self.path).resolve() != config_dir().resolve():
            check_read(path, package, values, group=config_path.rpartition("/")[0], folder=Path(self.path))
        return ConfigResult(
            config=OmegaConf.create(values), path=f"file://{self.path}", provider=self.provider, header={**header}
        )


@cache
def _read(path: Path, config_path: str, stamp: tuple[int, int]) -> tuple[dict[str, str | None], str, dict[str, object]]:
    """Header, package and values of a file, read once while its ``stamp`` stays: commands compose often."""
    text = read_text(path)
    header = header_of(path, text)
    package = package_of(header["package"], config_path)
    return header, package, read_values(path, text, package)


def install() -> None:
    """Let Hydra read with `FileConfigSource` from now on."""
    Plugins.instance()  # which registers Hydra's own
    SourcesRegistry.instance().types[FileConfigSource.scheme()] = FileConfigSource
