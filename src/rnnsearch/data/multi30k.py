"""Multi30k: image captions in German, English, French and Czech (Elliott et al. 2016, 2017; Barrault et al. 2018)."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rnnsearch.data.corpus import SPLITS, DirectedCorpus, Pair
from rnnsearch.data.download import fetch
from rnnsearch.data.lines import check_file, paired_lines
from rnnsearch.records.json_files import file_sha256

LANGUAGES = ("cs", "de", "en", "fr")
STEMS = dict(zip(SPLITS, ("train", "val", "test_2016_flickr"), strict=True))
SHA256 = {
    "train.de.gz": "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6",
    "train.en.gz": "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f",
    "train.fr.gz": "622e75069e9f4c577425c4f277116ce66e63a2401c0a2312d90073cb12379a3c",
    "train.cs.gz": "a65adb8b32e3bc664f21ecba7a6e7f6950fd1f405e135f7c312faabdb6255077",
    "val.de.gz": "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a",
    "val.en.gz": "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28",
    "val.fr.gz": "ca3106f1a72390591d25f6c45cb4cd39dec4cd3f123e099748a3ce5256c160e9",
    "val.cs.gz": "b63226e05c4bd5dd6a42897d74b86a1b9d2c31498252c572b1ea7f7996927fcc",
    "test_2016_flickr.de.gz": "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8",
    "test_2016_flickr.en.gz": "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9",
    "test_2016_flickr.fr.gz": "6d326e188d259fb1d04ac19eae3af956559b3a0b93d7635e56c90987c40c8b90",
    "test_2016_flickr.cs.gz": "200a4a74cc9560f051924abb9803be008d1908d77f747e9141aeb86dfd2797f1",
}
"""Of the files as served (gzip) at commit a3d2e0d26b56f3846f66a952536ffed4e401d05a of github.com/multi30k/dataset."""


class Multi30kCorpus(DirectedCorpus):
    """The raw text of task 1, any two of its languages: 29,000 / 1,014 / 1,000 pairs, the last from test_2016_flickr.

    With `root`, the files train.de.gz, val.de.gz, test_2016_flickr.de.gz and so on (or the same names without .gz)
    are read from that folder, whatever their checksums; otherwise they are downloaded into `cache` and verified.
    """

    def __init__(
        self,
        *,
        root: str | None,
        source_language: str,
        target_language: str,
        reverse: bool,
        cache: str,
        mirrors: Sequence[str],
    ) -> None:
        """Raises ValueError for a pair of languages that Multi30k lacks."""
        pair = (source_language, target_language)
        if source_language == target_language or not set(pair) <= set(LANGUAGES):
            raise ValueError(
                f"Multi30k has no pair {source_language} to {target_language}; "
                f"data.source_language and data.target_language are two of {', '.join(LANGUAGES)}"
            )
        super().__init__(
            name="multi30k", source_language=source_language, target_language=target_language, reverse=reverse
        )
        self._stored = dict(zip(("source", "target"), pair, strict=True))
        self._root = None if root is None else Path(root).expanduser()
        self._cache = Path(cache).expanduser() / "multi30k"
        self._mirrors = [mirror.rstrip("/") for mirror in mirrors]

    def splits(self) -> tuple[str, ...]:
        """All three."""
        return SPLITS

    def prepare(self) -> None:
        """Download what the cache lacks, or check that `root` holds the files.

        Raises FileNotFoundError for a missing file, ValueError for a wrong checksum.
        """
        for split in SPLITS:
            for side in self._stored:
                path = self._path(split, side)
                if self._root is not None:
                    check_file(path, again=True)
                else:
                    self._fetch(path.name)

    def stored_pairs(self, split: str) -> Iterator[Pair]:
        """The pairs of a split in the order of the files."""
        return paired_lines(self._path(split, "source"), self._path(split, "target"))

    def checksums(self) -> dict[str, str]:
        """SHA-256 of the files that are read, under keys such as train.source."""
        return {
            f"{split}.{side}": file_sha256(self._path(split, stored))
            for split in SPLITS
            for side, stored in self.sides().items()
        }

    def _path(self, split: str, side: str) -> Path:
        name = f"{STEMS[split]}.{self._stored[side]}"
        if self._root is None:
            return self._cache / f"{name}.gz"
        if not self._root.is_dir():
            raise FileNotFoundError(f"data.root={self._root} is not a folder; give one that holds {name}.gz or {name}")
        paths = [path for path in (self._root / f"{name}.gz", self._root / name) if path.exists()]
        if not paths:
            raise FileNotFoundError(
                f"{self._root} holds neither {name}.gz nor {name}; set data.root to a folder with the raw files of "
                "Multi30k, or data.root=null to download them"
            )
        return paths[0]

    def _fetch(self, name: str) -> None:
        urls = [f"{mirror}/{name}" for mirror in self._mirrors]
        remedy = "set data.root to a folder that holds the files of Multi30k, or name another mirror in data.mirrors"
        fetch(urls, sha256=SHA256[name], folder=self._cache, name=name, remedy=remedy)
