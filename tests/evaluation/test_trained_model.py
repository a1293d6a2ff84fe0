"""The Python interface: trained runs that translate, score and align, on small random models."""

import doctest
import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.small_run import NASTY, WORDS, write_run

import rnnsearch
from rnnsearch.api import TrainedModel, Translation, load
from rnnsearch.evaluation.forcing import force
from rnnsearch.evaluation.word_alignment import Alignment
from rnnsearch.records.run_record import NO_RECORD
from rnnsearch.search.beam import BeamSearch
from rnnsearch.search.sampling import Sampling
from rnnsearch.search.settings import own_search

TEXTS = ["the small house", "", "below", "there stood the small house below the house", "a 🙂", "   "]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    return {
        "run": write_run(folder / "run", checkpoints={"last": 8, "update-9": 5, "update-10": 6}),
        "fixed": write_run(folder / "fixed", context="fixed", seed=1),
        "word": write_run(folder / "word", kind="word", seed=2),
        "sampling": write_run(folder / "sampling", search_option="sampling", search={"n_best": 2, "seed": 3}),
    }


@pytest.fixture(scope="module")
def model(folders: dict[str, Path]) -> TrainedModel:
    return in_double(load(folders["run"], device="cpu"))


@pytest.fixture(scope="module")
def ensemble(folders: dict[str, Path]) -> TrainedModel:
    return in_double(load([folders["run"], folders["fixed"]], device="cpu"))


def in_double(model: TrainedModel) -> TrainedModel:
    for member in model.system.members:
        member.translator.double()
    return model


def plain(translations: list[Translation]) -> list[list[tuple[str, list[str]]]]:
    return [[(one.text, one.tokens) for one in translation.hypotheses] for translation in translations]


def test_the_example_of_the_documentation(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "a_run").symlink_to(folders["run"])
    monkeypatch.chdir(tmp_path)
    [example] = doctest.DocTestFinder(recurse=False).find(load, "load", globs={})
    assert example.examples
    result = doctest.DocTestRunner().run(example)
    assert result.failed == 0


@pytest.mark.slow
def test_no_hydra_no_lightning_and_nothing_before_it_is_asked_for(folders: dict[str, Path]) -> None:
    code = (
        "import sys\n"
        "for name in ('hydra', 'omegaconf', 'lightning'): sys.modules[name] = None\n"
        "import rnnsearch\n"
        "assert not {'torch', 'numpy', 'yaml'} & sys.modules.keys(), 'import rnnsearch is not cheap'\n"
        "model = rnnsearch.load(sys.argv[1], device='cpu')\n"
        "[translation] = model.translate(['the small house'], max_length=3)\n"
        "model.score([('the', translation.text)]), translation.hypotheses[0].alignment\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folders["run"])], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_package_offers_load_alone() -> None:
    assert rnnsearch.load is load
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        rnnsearch.lode  # noqa: B018, since asking for it is what fails


# Translating


def test_hypotheses_are_ranked_and_as_many_as_asked_for(model: TrainedModel) -> None:
    translations = model.translate(TEXTS, beam_size=4, n_best=3, max_length=4)
    assert [translation.source for translation in translations] == TEXTS
    for translation in translations:
        scores = [one.score for one in translation.hypotheses]
        assert scores == sorted(scores, reverse=True)
        assert translation.text == translation.hypotheses[0].text
        assert len(scores) == (3 if translation.source.strip() else 1)


@pytest.mark.parametrize("name", ["run", "fixed", "word", "ensemble"])
@pytest.mark.parametrize("sampled", [False, True])
def test_log_p_of_a_hypothesis_is_its_forced_one(
    name: str, sampled: bool, folders: dict[str, Path], ensemble: TrainedModel
) -> None:
    model = ensemble if name == "ensemble" else load(folders[name], device="cpu")
    search = model.sampling(n_best=3, temperature=0.7) if sampled else model.search(beam_size=3, n_best=3)
    texts = [text for text in TEXTS if text.strip()]
    ids = {piece: i for i, piece in enumerate(model.system.target.pieces(range(model.system.target.size)))}
    flat = [
        (text, one)
        for text, t in zip(texts, model.translate(texts, search=search), strict=True)
        for one in t.hypotheses
    ]
    pairs = [(model.system.source_ids(text), [ids[piece] for piece in one.tokens]) for text, one in flat]
    for place, forced in force(model.system, pairs):
        assert flat[place][1].log_prob == pytest.approx(forced.log_prob, abs=1e-4)


def test_scores_of_texts_that_segment_alike(model: TrainedModel) -> None:
    ids = {piece: i for i, piece in enumerate(model.system.target.pieces(range(model.system.target.size)))}
    texts = [" ".join(pair) for pair in itertools.pairwise(WORDS)]
    translations = model.translate(texts, search=model.sampling(n_best=20, top_k=0, max_length=4))
    same = [
        (translation.source, one)
        for translation in translations
        for one in translation.hypotheses
        if model.system.target.encode(one.text) == [ids[piece] for piece in one.tokens]
    ]
    assert same
    for (_, one), score in zip(same, model.score([(source, one.text) for source, one in same]), strict=True):
        assert score.log_prob == pytest.approx(one.log_prob, abs=1e-4)
        assert score.tokens == [*one.tokens, "</s>"]
        assert score.log_prob == pytest.approx(score.log_probs.sum())


@pytest.mark.parametrize("sampled", [False, True])
def test_batches_change_nothing(model: TrainedModel, sampled: bool) -> None:
    texts = [" ".join(WORDS[: 1 + i % 6]) + "x" * (i % 3) for i in range(70)]
    found = []
    for size in (1, 7, 64):
        search = model.sampling(n_best=2, batch_size=size) if sampled else model.search(n_best=2, batch_size=size)
        found.append(plain(model.translate(texts, search=search)))
    assert found[0] == found[1] == found[2]
    assert len({str(one) for one in found[0]}) > 3


def test_what_is_drawn_depends_on_the_number_of_the_text(model: TrainedModel) -> None:
    def draw(first: int, count: int) -> list[str]:
        texts = ["the small house"] * count
        return [one.text for one in model.translate(texts, search=model.sampling(seed=2), first=first)]

    assert draw(0, 4)[2:] == draw(2, 2)
    assert len(set(draw(0, 4))) > 1


def test_prefixes(model: TrainedModel) -> None:
    prefixes = ["house", "", "the small", "there", "", "below"]
    for prefix, translation in zip(prefixes, model.translate(TEXTS, prefixes=prefixes, n_best=2), strict=True):
        begun = prefix if translation.source.strip() else ""
        assert all(one.text.startswith(begun) for one in translation.hypotheses)
    with pytest.raises(ValueError, match="1 prefixes for 2 texts"):
        model.translate(["a", "b"], prefixes=["a"])


def test_a_setting_that_is_not_there_is_refused_with_a_guess(model: TrainedModel) -> None:
    with pytest.raises(ValueError, match=r"beam_sise is no setting .* mean beam_size\? \(it has beam_size, n_best, "):
        model.translate(["a"], beam_sise=3)
    with pytest.raises(ValueError, match="wrong type"):
        model.search(beam_size="many")
    with pytest.raises(ValueError, match="temperature is no setting"):
        model.search(temperature=2.0)
    with pytest.raises(ValueError, match="beam_size is no setting of Sampling"):
        model.sampling(beam_size=2)
    with pytest.raises(ValueError, match="n_best=9: must be at most"):
        model.translate(["a"], n_best=9)
    with pytest.raises(ValueError, match="n_best: settings of the run's own search; give them or search"):
        model.translate(["a"], search=model.search(), n_best=2)


def test_the_search_is_the_run_s_own(model: TrainedModel, folders: dict[str, Path]) -> None:
    own, changed = model.search(), model.search(n_best=2)
    assert isinstance(own, BeamSearch)
    assert isinstance(changed, BeamSearch)
    assert (own.beam_size, own.max_source_length, changed.beam_size, changed.n_best) == (3, 40, 3, 2)
    drawing = load(folders["sampling"], device="cpu").search()
    assert isinstance(drawing, Sampling)
    assert (drawing.n_best, drawing.seed) == (2, 3)


def test_a_run_older_than_some_settings(folders: dict[str, Path], tmp_path: Path) -> None:
    for name in ("checkpoints", "record.json"):
        (tmp_path / name).symlink_to(folders["run"] / name)
    config = yaml.safe_load((folders["run"] / "config.yaml").read_text())
    kept = ("_target_", "beam_size", "normalization", "max_length_ratio", "max_length_offset", "max_source_length")
    kept = (*kept, "batch_size", "forbid_unknown")
    config["search"] = {key: config["search"][key] for key in kept}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    old = load(tmp_path, device="cpu")
    now = load(folders["run"], device="cpu")
    assert plain(old.translate(TEXTS)) == plain(now.translate(TEXTS))
    assert plain(old.translate(TEXTS, search=old.sampling())) == plain(now.translate(TEXTS, search=now.sampling()))


# Bad input


def test_any_text_gives_one_of_each(model: TrainedModel) -> None:
    translations = model.translate(NASTY, beam_size=2, max_length=5, alignments=True)
    assert [translation.source for translation in translations] == NASTY
    pairs = [(text, text[:200]) for text in NASTY if len(text) < 10_000]
    assert len(model.score(pairs)) == len(model.align(pairs)) == len(pairs)


ANY = st.text(st.characters(codec=None), max_size=12)


@settings(deadline=None, max_examples=40)
@given(texts=st.lists(ANY, max_size=4), kind=st.sampled_from(["run", "word"]))
@pytest.mark.slow
def test_fuzz(texts: list[str], kind: str, folders: dict[str, Path]) -> None:
    model = LOADED.setdefault(kind, load(folders[kind], device="cpu"))
    options = {"beam_size": 2, "max_length": 4, "replace_unknown": kind == "word"}
    translations = model.translate(texts, alignments=True, **options)
    assert len(translations) == len(texts)
    for translation in translations:
        [one] = translation.hypotheses
        assert "\n" not in one.text
        one.text.encode()
        alignment = one.alignment
        assert len(alignment.target) == len(one.text.split())
    pairs = list(zip(texts, reversed(texts), strict=True))
    for score in model.score(pairs):
        assert score.log_prob <= 0
    for (source, target), alignment in zip(pairs, model.align(pairs), strict=True):
        shape = len(target.split()), len(source.split())
        assert alignment.weights_TS.shape == shape


LOADED: dict[str, TrainedModel] = {}


def test_surrogates_are_read_as_replacement_characters(model: TrainedModel) -> None:
    [one, other] = model.translate(["a \ud800 b", "a \ufffd b"])
    assert one.source == "a \ufffd b"
    assert plain([one]) == plain([other])
    [score, same] = model.score([("\udfff", "\ud800"), ("\ufffd", "\ufffd")])
    assert score.log_prob == same.log_prob


def test_a_string_is_no_list_of_texts(model: TrainedModel) -> None:
    with pytest.raises(ValueError, match=r"texts is one string; give a list of strings: \['a house'\]"):
        model.translate("a house")
    with pytest.raises(ValueError, match=r"'ab' is no pair; give \(source, target\) texts"):
        model.score(["ab"])
    with pytest.raises(ValueError, match="is no pair"):
        model.align([("a", "b", "c")])


# Unknown words


def test_unknown_words_are_replaced_on_demand(folders: dict[str, Path]) -> None:
    model = load(folders["word"], device="cpu")
    texts = [" ".join(WORDS)] * 2
    options = {"n_best": 3, "max_length": 6, "min_length": 4}
    with_unknown = model.translate(texts, **options)
    replaced = model.translate(texts, replace_unknown=True, lexicon={"below": "unten"}, **options)
    assert any("<unk>" in one.text for one in with_unknown[0].hypotheses)
    for one, other in zip(with_unknown[0].hypotheses, replaced[0].hypotheses, strict=True):
        assert "<unk>" not in other.text
        assert (one.tokens, one.log_prob) == (other.tokens, other.log_prob)
    with pytest.raises(ValueError, match="a lexicon is for replace_unknown"):
        model.translate(texts, lexicon={})
    with pytest.raises(ValueError, match="this model writes pieces of words"):
        load(folders["run"], device="cpu").translate(texts, replace_unknown=True)


# Alignments


def same_alignment(one: Alignment, other: Alignment) -> bool:
    return (one.source, one.target, one.links, one.method) == (
        other.source, other.target, other.links, other.method
    ) and np.allclose(one.weights_TS, other.weights_TS, atol=1e-10)  # fmt: skip


@pytest.mark.parametrize("method", ["attention", "saliency"])
def test_alignments_on_demand_are_those_made_at_once(model: TrainedModel, method: str) -> None:
    lazy = model.translate(TEXTS, n_best=2, max_length=5, method=method)
    eager = model.translate(TEXTS, n_best=2, max_length=5, method=method, alignments=True)
    for one, other in zip(lazy, eager, strict=True):
        for hypothesis, twin in zip(one.hypotheses, other.hypotheses, strict=True):
            assert same_alignment(hypothesis.alignment, twin.alignment)
            assert hypothesis.alignment is hypothesis.alignment
            assert hypothesis.alignment.method == method
    assert lazy == eager


def test_auto_is_saliency_where_a_member_has_no_attention(model: TrainedModel, ensemble: TrainedModel) -> None:
    assert model.has_attention
    assert not ensemble.has_attention
    [alignment] = ensemble.align([("the house", "a b c")])
    assert alignment.method == "saliency"
    assert alignment.weights_TS.shape == (3, 2)
    [other] = model.align([("the house", "a b c")])
    assert other.method == "attention"
    with pytest.raises(ValueError, match="has no weights to read"):
        ensemble.translate(["a"], method="attention")
    with pytest.raises(ValueError, match="choose one of auto, attention, saliency"):
        model.translate(["a"], method="magic")
    with pytest.raises(ValueError, match="threshold"):
        model.align([("a", "b")], threshold=7.0)


def test_blanks_do_not_fill_memory(folders: dict[str, Path], caplog: pytest.LogCaptureFixture) -> None:
    model = load(folders["word"], device="cpu")
    source = "the" + " " * 2_000_000 + "house"
    [aligned] = model.align([(source, "a b")])
    [translation] = model.translate([source], max_length=2, min_length=2, alignments=True)
    for alignment in (aligned, translation.hypotheses[0].alignment):
        assert alignment.weights_TS.shape == (2, 2)  # blanks are no words, however many
    assert "pairs with more than 1000 pieces" not in caplog.text


# Loading


def test_an_ensemble_of_one_model_twice_is_the_model(folders: dict[str, Path], model: TrainedModel) -> None:
    twice = in_double(load([folders["run"], folders["run"]], device="cpu"))
    assert plain(twice.translate(TEXTS)) == plain(model.translate(TEXTS))
    assert twice.name == "run + run"


def test_an_average_and_kept_checkpoints(folders: dict[str, Path]) -> None:
    parts = [load(folders["run"], checkpoint=f"update-{n}", device="cpu") for n in (9, 10)]
    mean = load(folders["run"], checkpoint="average", device="cpu")
    weights = [one.system.members[0].translator.state_dict() for one in (*parts, mean)]
    for key, value in weights[2].items():
        torch.testing.assert_close(value, (weights[0][key] + weights[1][key]) / 2)
    with pytest.raises(FileNotFoundError, match=r"no checkpoint 'update-7': it has best, last, update-10, update-9"):
        load(folders["run"], checkpoint="update-7")


def test_what_is_no_run_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no run to load"):
        load([])
    other = write_run(tmp_path / "other", text=1, kind="word")
    with pytest.raises(ValueError, match="their target vocabularies differ"):
        load([folders["run"], other])
    (other / "config.yaml").write_text("search: [")
    with pytest.raises(ValueError, match="is no config of a run"):
        load(other)
    (other / "config.yaml").unlink()
    with pytest.raises(FileNotFoundError, match=r"config\.yaml does not exist"):
        load(other)


@pytest.mark.parametrize("device", ["cuda:99", "gpu", "meta", ""])
def test_a_device_that_is_not_there(device: str, folders: dict[str, Path]) -> None:
    with pytest.raises(ValueError, match=f"device={device}: "):
        load(folders["run"], device=device)


def test_the_search_of_a_config_is_one_of_ours(folders: dict[str, Path], tmp_path: Path) -> None:
    config = {"search": {"_target_": "os.system", "command": "true"}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(ValueError, match=r"no search that is known: 'os\.system'"):
        own_search(tmp_path, NO_RECORD)
