"""Hostile input for translate, score, align and the readers: a line out for each line in, or one sentence."""

import gzip
import io
import json
import lzma
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig

from rnnsearch.api import TrainedModel
from rnnsearch.cli.commands import align, score
from rnnsearch.cli.commands.translate import method_of_alignments, translate_stream, translating, with_prefixes, writing
from rnnsearch.cli.text.pairs import pair_blocks
from rnnsearch.cli.text.streaming import Tally, blocks
from rnnsearch.config.compose import compose
from rnnsearch.config.errors import explain, shown
from rnnsearch.config.exit_codes import FAILED
from rnnsearch.data.corpus import words
from rnnsearch.data.files import FilesCorpus, JsonLinesCorpus, TsvCorpus
from rnnsearch.data.greek_english import GreekEnglishCorpus
from rnnsearch.data.readable import zstd
from rnnsearch.evaluation import forcing, saliency
from rnnsearch.evaluation.alignment_links import parse_pharaoh
from rnnsearch.evaluation.unknown import read_lexicon
from rnnsearch.records.visible import visible_line
from rnnsearch.runs import run_folder
from rnnsearch.search.beam import BeamSearch

from ..hostile import file_pairs, files, first_broken, json_files, model, texts_of

Case = Mapping[str, Any]
KINDS = {"kind": st.sampled_from(["sentencepiece", "word"]), "context": st.sampled_from(["additive", "fixed"])}
SHORT = "alignments.max_length=100"  # saliency's cost grows with the square of a pair's length
LANGUAGES = {"source_language": "de", "target_language": "en", "reverse": False, "name": "hostile"}


@pytest.fixture(scope="module")
def configs() -> dict[str, DictConfig]:
    return {
        "translate": compose("translate", ["run=x", SHORT]),
        "score": compose("score", ["run=x"]),
        "align": compose("align", ["run=x", "source=x", "target=x", SHORT]),
    }


def lines_of(out: bytes) -> list[str]:
    """Whole lines of valid UTF-8."""
    assert not out or out.endswith(b"\n")
    return out.decode().split("\n")[:-1]


def assert_sentence(error: Exception) -> None:
    """That it is a user's error, told in one line which a terminal can show."""
    sentence, code = explain(error, "translate", []) or ("", 0)
    assert code == FAILED
    assert visible_line(shown(sentence)) == shown(sentence)
    assert len(sentence) > 0


def assert_links(pharaoh: str, source: str, target: str) -> None:
    """That links lie inside the words, and not at an empty one."""
    for i, j in parse_pharaoh(pharaoh).sure:
        assert words(source)[i]
        assert words(target)[j]


def parsed(line: str) -> Any:
    """JSON as the standard has it, without NaN."""
    return json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))


# translate


def translated(trained: TrainedModel, data: bytes, cfg: DictConfig, size: int, **changes: object) -> list[str]:
    """The lines that the command writes for standard input."""
    cfg = cfg.copy()
    cfg.update(changes)
    search = BeamSearch(
        beam_size=2, n_best=2, normalization="average", max_length_ratio=0.5, max_length_offset=3,
        max_source_length=30, batch_size=size, forbid_unknown=False,
    )  # fmt: skip
    method, sink = method_of_alignments(cfg, trained), io.BytesIO()
    arriving = blocks(io.BytesIO(data), Tally(), at_once=size, strict=False)
    pairs = with_prefixes(arriving, None if cfg.prefixes is None else Path(cfg.prefixes))
    with writing(cfg, sink, method) as write:
        translate_stream(pairs, translating(cfg, trained, search, method), write)
    return lines_of(sink.getvalue())


def check_translate(configs: Mapping[str, DictConfig], case: Case) -> None:
    """A line out for each line in, the same whatever the format and the batch size."""
    trained, data, sources = model(case["kind"], case["context"]), case["data"], texts_of(case["data"])
    cfg = configs["translate"].copy()
    cfg.replace_unknown = case["replaces"] and case["kind"] == "word"
    cfg.alignments.output = "links"
    if case["begins"] and sources:
        cfg.prefixes = "prefixes"
        Path("prefixes").write_bytes("".join(f"{text}\n" for text in sources).encode())
    text = translated(trained, data, cfg, 1, format="text")
    links = lines_of(Path("links").read_bytes())
    table = translated(trained, data, cfg, 2, format="tsv")
    objects = [parsed(line) for line in translated(trained, data, cfg, 7, format="jsonl")]
    assert lines_of(Path("links").read_bytes()) == links == [one["hypotheses"][0]["alignment"] for one in objects]
    assert [one["source"] for one in objects] == sources
    assert [one["hypotheses"][0]["text"].replace("\r", "\xa0") for one in objects] == text
    assert table == [row for number, one in enumerate(objects, 1) for row in rows_of(number, one["hypotheses"])]
    for source, written, found in zip(sources, text, links, strict=True):
        assert_links(found, source, written)
    for one in objects:
        for hypothesis in one["hypotheses"]:
            assert_links(hypothesis["alignment"], one["source"], hypothesis["text"])
            assert -math.inf < hypothesis["log_prob"] <= hypothesis["score"] <= 0


def rows_of(number: int, hypotheses: list[dict[str, Any]]) -> Iterator[str]:
    """A table's rows of a line. What would end a field is a no-break space there, which divides no words."""
    for rank, one in enumerate(hypotheses, 1):
        shown = re.sub("[\t\r]", "\xa0", one["text"])
        yield f"{number}\t{rank}\t{one['score']:.6f}\t{one['log_prob']:.6f}\t{shown}"


def check_strict(configs: Mapping[str, DictConfig], case: Case) -> None:
    """What is not UTF-8 is refused, on standard input and in a file, and nothing else."""
    data: bytes = case["data"]
    path = Path("strict")
    path.write_bytes(data)
    for name, read in (
        ("standard input", lambda: blocks(io.BytesIO(data), Tally(), at_once=2, strict=True)),
        ("strict", lambda: ([pair.source for pair in block] for block in pair_blocks(path, path, strict=True))),
    ):
        broken = first_broken(data)
        if broken is None:
            assert [text for block in read() for text in block] == texts_of(data)
            continue
        place = rf"{name}: line {broken[0]} (is not valid UTF-8|holds a NUL byte) \(byte {broken[1]} of the line\)"
        with pytest.raises(ValueError, match=place) as caught:
            list(read())
        assert_sentence(caught.value)


# score and align


def printed(
    run: Callable[[DictConfig], None],
    trained: TrainedModel,
    cfg: DictConfig,
    *,
    positions: int = forcing.POSITIONS,
    **changes: object,
) -> list[str]:
    """The lines of a command on standard output, with batches of so many positions."""
    cfg = cfg.copy()
    cfg.update(changes)
    with pytest.MonkeyPatch.context() as patch:
        out = io.TextIOWrapper(io.BytesIO())
        patch.setattr(sys, "stdout", out)
        patch.setattr(run_folder, "load_runs", lambda _: (trained, run_folder.LoadedRun(Path(), {}, cfg, trained)))
        patch.setattr(align, "load", lambda *_, **__: trained)
        for module in (forcing, saliency):
            patch.setattr(module, "POSITIONS", positions)
        run(cfg)
        return lines_of(out.buffer.getvalue())


def write_pair(case: Case) -> dict[str, str]:
    """The two files of a case, as options."""
    for name, data in zip(("source", "target"), case["pair"], strict=True):
        Path(name).write_bytes(data)
    return {"source": "source", "target": "target"}


def check_score(configs: Mapping[str, DictConfig], case: Case) -> None:
    """A log-probability for each pair, by token too, the same in batches of one."""
    trained, cfg, pair = model(case["kind"], case["context"]), configs["score"], write_pair(case)
    sources, targets = map(texts_of, case["pair"])
    values = [float(line) for line in printed(score.run, trained, cfg, **pair)]
    objects = [parsed(line) for line in printed(score.run, trained, cfg, positions=1, tokens=True, **pair)]
    assert [(one["source"], one["target"]) for one in objects] == list(zip(sources, targets, strict=True))
    for value, one in zip(values, objects, strict=True):
        assert -math.inf < value <= 0
        assert one["log_prob"] == pytest.approx(value, abs=2e-6)
        assert sum(one["log_probs"]) == pytest.approx(value, abs=1e-6 * (len(one["tokens"]) + 1))
        assert max(one["log_probs"]) <= 0
        assert len(one["tokens"]) == len(one["log_probs"])


def check_align(configs: Mapping[str, DictConfig], case: Case) -> None:
    """Links inside the words of each pair, the same in batches of one."""
    trained, cfg, pair = model(case["kind"], case["context"]), configs["align"].copy(), write_pair(case)
    if case["symmetrize"] is not None:
        cfg.update(reverse_run="x", symmetrize=case["symmetrize"])
    cfg.alignments.update(method=case["method"], threshold=case["threshold"])
    links = printed(align.run, trained, cfg, **pair)
    objects = [parsed(line) for line in printed(align.run, trained, cfg, positions=1, format="jsonl", **pair)]
    assert links == [one["links"] for one in objects]
    for source, target, found, one in zip(*map(texts_of, case["pair"]), links, objects, strict=True):
        assert (one["source"], one["target"]) == (words(source), words(target))
        assert_links(found, source, target)


def check_rescore(configs: Mapping[str, DictConfig], case: Case) -> None:
    """N-best lists scored anew, or one sentence."""
    Path("hypotheses").write_bytes(case["data"])
    changes = {"hypotheses": "hypotheses", "pieces": case["pieces"], "normalization": case["normalization"]}
    try:
        lines = printed(score.run, model(case["kind"], case["context"]), configs["score"], **changes)
    except ValueError as error:
        assert_sentence(error)
        return
    for text, entry in zip(texts_of(case["data"]), map(parsed, lines), strict=True):
        before = json.loads(text)
        assert entry["source"] == before["source"]
        assert sorted(one["text"] for one in entry["hypotheses"]) == sorted(one["text"] for one in before["hypotheses"])
        scores = [one["score"] for one in entry["hypotheses"]]
        assert scores == sorted(scores, reverse=True)
        assert all(-math.inf < one["log_prob"] <= one["score"] <= 0 for one in entry["hypotheses"])


# Readers


def packed(data: bytes, suffix: str) -> bytes:
    """A file's bytes, compressed."""
    return {".gz": gzip.compress, ".xz": lzma.compress, ".zst": zstd.compress}.get(suffix, bytes)(data)


def damaged(data: bytes, place: int, byte: int | None) -> bytes:
    """Bytes cut off at a place, or with another byte there."""
    place = place % (len(data) + 1)
    return data[:place] + (b"" if byte is None else bytes([byte]) + data[place + 1 :])


def readers(case: Case) -> dict[str, Callable[[], Any]]:
    """Whatever reads lines, on the files of a case."""
    (source, target), data = case["pair"], case["data"]
    packed_source = packed(source, case["suffix"])
    contents = {
        f"x{case['suffix']}": packed_source
        if case["place"] is None
        else damaged(packed_source, case["place"], case["byte"]),
        "train.grc": source,
        "train.en": target,
        "train.talp": data,
        "data": data,
    }
    for name, content in contents.items():
        Path(name).write_bytes(content)
    one_file = {"train": "data", "validation": None, "test": None, **LANGUAGES}
    sides = {"source": f"x{case['suffix']}", "target": "train.en"}
    columns = {"source_column": 0, "target_column": case["column"], "header": isinstance(case["column"], str)}
    corpora = {
        "files": FilesCorpus(train=sides, validation=None, test=None, **LANGUAGES),
        "table": TsvCorpus(**one_file, **columns),
        "objects": JsonLinesCorpus(**one_file, source_field="source", target_field=case["field"]),
        "links": GreekEnglishCorpus(root=".", cache="cache", reverse=False),
    }
    found = {name: lambda corpus=corpus: list(corpus.pairs("train")) for name, corpus in corpora.items()}
    return {**found, "lexicon": lambda: read_lexicon(Path("data"))}


def check_readers(configs: Mapping[str, DictConfig], case: Case) -> None:
    """Pairs of text, or one sentence."""
    for name, read in readers(case).items():
        try:
            found = read()
        except (ValueError, OSError) as error:
            assert_sentence(error)
            continue
        if name == "lexicon":
            continue
        assert not found or found[-1].line >= len(found)  # blank lines at the end are no rows
        assert all((pair.source + pair.target).encode() or True for pair in found)
        for pair in found:
            assert all(i < len(words(pair.source)) and j < len(words(pair.target)) for i, j in pair.links or ())
        if name == "files" and case["place"] is None:
            assert [(pair.source, pair.target) for pair in found] == list(
                zip(*map(texts_of, case["pair"]), strict=True)
            )


# All of them

LINKS = st.lists(
    st.from_regex(r"[0-9]{1,2}[-p][0-9]", fullmatch=True)
    | st.sampled_from(["1-", "-1-0", "٣-0", "9" * 5000 + "-0", "0-0"])
)
DATA = files() | json_files() | st.lists(LINKS.map(" ".join)).map("\n".join).map(str.encode)
CHECKS: dict[Callable[[Mapping[str, DictConfig], Case], None], dict[str, Any]] = {
    check_translate: {**KINDS, "data": files(), "replaces": st.booleans(), "begins": st.booleans()},
    check_strict: {"data": files(least=1)},
    check_score: {**KINDS, "pair": file_pairs()},
    check_align: {
        **KINDS,
        "pair": file_pairs(),
        "method": st.sampled_from(["auto", "saliency"]),
        "threshold": st.sampled_from([None, 0.1]),
        "symmetrize": st.sampled_from([None, "intersection", "union", "grow_diag"]),
    },
    check_rescore: {
        **KINDS,
        "data": json_files(),
        "pieces": st.sampled_from(["text", "own"]),
        "normalization": st.sampled_from(["none", "average"]),
    },
    check_readers: {
        "pair": file_pairs(),
        "data": DATA,
        "suffix": st.sampled_from(["", ".gz", ".xz", ".zst"]),
        "place": st.none() | st.integers(0, 200),
        "byte": st.none() | st.integers(0, 255),
        "column": st.sampled_from([0, 1, 7, "text"]),
        "field": st.sampled_from(["target", "x.y", "hypotheses"]),
    },
}  # fmt: skip


def run(check: Callable[[Mapping[str, DictConfig], Case], None], configs: Mapping[str, DictConfig], count: int) -> None:
    @settings(max_examples=count, deadline=None, database=None)
    @given(case=st.fixed_dictionaries(CHECKS[check]))
    def examples(case: Case) -> None:
        check(configs, case)

    examples()


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS)
def test_hostile_input(check: Callable[..., None], configs: dict[str, DictConfig]) -> None:
    run(check, configs, 80 if check is check_align else 200)  # saliency takes seconds
