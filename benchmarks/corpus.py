"""The corpus that all systems train on and translate: one folder of plain text, SentencePiece models and word lists.

The project reads Multi30k, from `--data-root` or its own cache or the network; where it can't be had, the built-in
corpus is taken. The peers get the same pairs, the same pieces and vocabularies of the same size, made by the project.
"""

import base64
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.options import Options
from benchmarks.workers import ROOT

OUTPUTS = ROOT / "outputs" / "benchmarks"
SIDES = ("source", "target")
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Corpus:
    """The folder, and the overrides under which `rnnsearch train` reads the same."""

    name: str
    folder: Path
    overrides: tuple[str, ...]
    vocabulary: int

    def text(self, split: str, side: str) -> Path:
        """The lines of one side of a split."""
        return self.folder / f"{split}.{side}"

    def pieces(self, side: str) -> Path:
        """A side's SentencePiece model."""
        return self.folder / f"{side}.model"

    def words(self, side: str) -> Path:
        """A side's pieces without the four specials, one a line."""
        return self.folder / f"{side}.words"

    def lines(self, split: str, side: str, count: int) -> list[str]:
        """The first ``count`` lines.

        Raises:
            ValueError: there are fewer.
        """
        lines = self.text(split, side).read_text(encoding="utf-8").split("\n")[:-1]
        if len(lines) < count:
            raise ValueError(f"{self.name} has {len(lines)} {split} sentences; ask for so many, not {count}")
        return lines[:count]


def prepare(options: Options) -> Corpus:
    """The corpus in a folder of its own, made where it is not there yet."""
    root = str(options.data_root) if options.data_root else "null"
    try:
        return _made("multi30k", ("data=multi30k", f'data.root="{root}"' if options.data_root else "data.root=null"))
    except OSError as error:
        if options.data_root:
            raise
        reason = str(error).splitlines()[0].split(" (")[0]
        print(f"Multi30k can't be had ({reason}); the built-in corpus is taken: data=controlled", file=sys.stderr)
        return _made("controlled", ("data=controlled",))


def _made(name: str, data: tuple[str, ...]) -> Corpus:
    from rnnsearch.config.build import build_data
    from rnnsearch.config.compose import compose

    module = build_data(compose("train", [*data, "experiment=reference"]))
    module.prepare_data()
    sizes = [module.tokenizers.source.size, module.tokenizers.target.size]
    corpus = Corpus(name, OUTPUTS / name, data, max(sizes))
    mark = corpus.folder / "made.json"
    checksums = {"source": module.tokenizers.source.checksum, "target": module.tokenizers.target.checksum}
    if mark.is_file() and json.loads(mark.read_text()) == checksums:
        return corpus
    corpus.folder.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        texts = list(module.texts(split))
        for place, side in enumerate(SIDES):
            lines = [pair[place].replace("\n", " ") for pair in texts]
            _write(corpus.text(split, side), lines)
            if split == "validation":  # a few of them, for tools that must validate
                _write(corpus.text("few", side), lines[:10])
    for side in SIDES:
        _write_pieces(corpus, side, getattr(module.tokenizers, side).state()["model"])
    mark.write_text(json.dumps(checksums))
    return corpus


def _write_pieces(corpus: Corpus, side: str, model: str) -> None:
    import sentencepiece

    from rnnsearch.data.tokenizer import SPECIALS

    corpus.pieces(side).write_bytes(base64.b64decode(model))
    processor = sentencepiece.SentencePieceProcessor(model_file=str(corpus.pieces(side)))
    ids = range(len(SPECIALS), processor.vocab_size())
    _write(corpus.words(side), (processor.id_to_piece(number) for number in ids))


def _write(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
