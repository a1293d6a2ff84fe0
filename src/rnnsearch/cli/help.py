"""The commands and the pages that teach them; nothing here imports Hydra, torch or Lightning."""

import shutil
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rnnsearch.config.config_dir import chosen_groups, command_keys, config_dir, groups


@dataclass(frozen=True, slots=True)
class Command:
    """What the pages say of a command, which works on conf/NAME.yaml; ``examples``: purpose -> command line."""

    summary: str
    examples: Mapping[str, str]


COMMANDS: Mapping[str, Command] = {
    "train": Command(
        "Train one model; leave checkpoints and a record in a run folder.",
        {
            "a small attention model on the built-in corpus": "rnnsearch train data=controlled model=tiny trainer=cpu",
            "your own line-aligned files, with a fixed context": "rnnsearch train data=files data.source_language=en "
            "data.target_language=de data.train.source=train.en data.train.target=train.de "
            "data.validation.source=val.en data.validation.target=val.de model=tiny model/context=fixed",
            "three seeds of one model, one after the other": "rnnsearch train -m data=controlled model=tiny seed=0,1,2",
        },
    ),
    "evaluate": Command(
        "Score a trained model on a split; print one JSON object.",
        {
            "the test split with a beam of 5": "rnnsearch evaluate run=RUN split=test search.beam_size=5",
            "the validation split, greedily": "rnnsearch evaluate run=RUN split=validation search.beam_size=1",
            "against another run: intervals, significance, what could be seen at all": "rnnsearch evaluate run=RUN "
            "baseline=OTHER_RUN > scores.json",
            "other attention weights than the learnt ones": "rnnsearch evaluate run=RUN attention=all",
            "word alignments against gold links of your own, counted from 1": "rnnsearch evaluate run=RUN "
            "alignments.gold=gold.txt alignments.one_indexed=true",
        },
    ),
    "translate": Command(
        "Translate standard input to standard output, line by line.",
        {
            "a file": "rnnsearch translate run=RUN < in.txt > out.txt",
            "with a beam of 5, 64 lines at a time": "rnnsearch translate run=RUN search.beam_size=5 "
            "search.batch_size=64 < in.txt > out.txt",
            "one sentence": "echo 'ein Haus' | rnnsearch translate run=RUN",
            "the three best of each line as JSON, and the word alignments of the best": "rnnsearch translate run=RUN "
            "search.n_best=3 format=jsonl alignments.output=links.txt < in.txt",
            "an ensemble of two runs": "rnnsearch translate 'run=[RUN_A,RUN_B]' < in.txt > out.txt",
            "draws instead of the best": "rnnsearch translate run=RUN search=sampling search.temperature=0.8 "
            "search.seed=1 < in.txt",
            "source words in the place of unknown ones, by a lexicon": "rnnsearch translate run=RUN "
            "replace_unknown=true lexicon=words.tsv < in.txt > out.txt",
        },
    ),
    "score": Command(
        "Print the natural-log probability of given translations, one a line.",
        {
            "two line-aligned files": "rnnsearch score run=RUN source=in.txt target=out.txt > logprobs.txt",
            "with each token's": "rnnsearch score run=RUN source=in.txt target=out.txt tokens=true > scores.jsonl",
            "n-best lists of another run, ranked anew": "rnnsearch score run=RUN hypotheses=out.jsonl "
            "normalization=average > ranked.jsonl",
        },
    ),
    "contrast": Command(
        "Print how often a right translation is likelier than one with a mistake, by the kind of mistake.",
        {
            "a run on the built-in corpus, with mistakes in its test sentences": "rnnsearch contrast run=RUN",
            "line-aligned files": "rnnsearch contrast run=RUN source=in.txt right=right.txt wrong=wrong.txt "
            "phenomenon=kinds.txt",
            "log-probabilities a token": "rnnsearch contrast run=RUN source=in.txt right=right.txt wrong=wrong.txt "
            "normalization=average > accuracy.json",
        },
    ),
    "align": Command(
        "Print links between the words of given translations, one line a pair.",
        {
            "two line-aligned files": "rnnsearch align run=RUN source=in.txt target=out.txt > links.txt",
            "both directions joined": "rnnsearch align run=RUN reverse_run=REVERSE symmetrize=grow_diag source=in.txt "
            "target=out.txt",
            "every link of some weight, with words and weights": "rnnsearch align run=RUN source=in.txt target=out.txt "
            "alignments.threshold=0.2 format=jsonl",
        },
    ),
    "compare": Command(
        "Train a fixed-context and an attention model of equal size, with any option of train; write one report.",
        {
            "on the built-in corpus": "rnnsearch compare data=controlled study=first",
            "on Multi30k, German to English, three seeds": "rnnsearch compare data=multi30k data.source_language=de "
            "data.target_language=en 'seeds=[0,1,2]' study=multi30k",
            "members of your own, the first the baseline": "rnnsearch compare data=controlled study=cells members=null "
            "'+members.gru=[\"model.cell=cudnn\"]' '+members.lstm=[\"model.cell=lstm\"]'",
        },
    ),
    "sweep": Command(
        "Train every point of a sweep that is not finished yet, at any time again; write one report.",
        {
            "contexts and attention sizes, two seeds: six points, since a fixed context has no attention size": (
                "rnnsearch sweep study=first data=controlled model=tiny trainer=cpu trainer.max_steps=5 "
                "model/context=additive,fixed model.context.attention_size=8,16 seed=0,1"
            ),
            "a committed study, extended by a seed": "rnnsearch sweep protocol=ladder seed=0,1,2,3",
            "each member at the learning rate that is best for it": "rnnsearch sweep study=tuned data=controlled "
            "model=tiny model/context=additive,fixed tuning=learning_rate",
            "a search by Optuna": "rnnsearch sweep study=search sweep=optuna_tpe hydra/launcher=local",
        },
    ),
    "status": Command(
        "Show how far each point of a study is, while it is trained or after.",
        {
            "as a table": "rnnsearch status study=NAME",
            "for a script": "rnnsearch status study=NAME format=json",
            "of a study that lies elsewhere": "rnnsearch status study=ladder paths.output=experiments",
        },
    ),
    "runs": Command(
        "Find runs of all studies by scores, settings and state; say what two differ in; put tags and notes on them.",
        {
            "the best of all that attend": "rnnsearch runs 'where=\"bleu>30 and model/context=additive\"' sort=bleu",
            "what failed": "rnnsearch runs where=status=failed 'columns=[error,started]'",
            "what two of them differ in": "rnnsearch runs 'diff=[RUN_A,RUN_B]'",
            "a tag and a note on one": "rnnsearch runs run=RUN 'tags=[paper]' 'note=the one in Table 2'",
            "every number, for another program": "rnnsearch runs format=csv > runs.csv",
            "of the committed studies": "rnnsearch runs paths.output=experiments sort=validation.bleu",
        },
    ),
    "report": Command(
        "Write a study's report anew: one page, Markdown, LaTeX and CSV; print the page's path.",
        {
            "of a study, finished or not": "rnnsearch report study=NAME",
            "and a small copy that can be committed": "rnnsearch report study=NAME publish=experiments/NAME",
            "of such a copy": "rnnsearch report study=NAME paths.output=experiments",
        },
    ),
    "export": Command(
        "Print a study as a table: CSV or JSON of every run, LaTeX or Markdown of every member.",
        {
            "every run": "rnnsearch export study=NAME format=csv > runs.csv",
            "for a paper": "rnnsearch export study=NAME format=latex > table.tex",
            "for a README": "rnnsearch export study=NAME format=markdown",
        },
    ),
    "reproduce": Command(
        "Train a run again from what it left behind; say whether the results are equal, else what differs.",
        {
            "a run of your own": "rnnsearch reproduce run=RUN",
            "a point of a sweep": "rnnsearch reproduce run=outputs/NAME/POINT",
            "a committed point, from its overrides": "rnnsearch reproduce run=experiments/ladder/POINT",
        },
    ),
    "dashboard": Command(
        "Serve what there is to look at: reports, TensorBoard, Optuna's and MLflow's pages; print the addresses.",
        {
            "of all studies in outputs/": "rnnsearch dashboard",
            "at a fixed port, opened in the browser": "rnnsearch dashboard port=8000 open=true",
            "of the committed studies": "rnnsearch dashboard paths.output=experiments",
        },
    ),
    "page": Command(
        "Serve a local web page that translates what one types, with alignments, by one run or several side by side.",
        {
            "one run, at http://127.0.0.1:7860/": "rnnsearch page run=RUN port=7860",
            "two runs side by side": "rnnsearch page 'run=[RUN_A,RUN_B]'",
            "for other machines too, on a GPU": "rnnsearch page run=RUN host=0.0.0.0 device=cuda",
        },
    ),
}

FLAGS: Mapping[str, str] = {
    "--help": "this page",
    "--cfg job [--resolve]": "print the composed configuration and do nothing else",
    "--config-dir DIR": "add your own YAML: DIR/experiment/mine.yaml, then experiment=mine (or +experiment=mine)",
    "-m, --multirun": "one run for each combination of comma-separated values: seed=0,1,2",
    "--info [defaults|searchpath|...]": "show where the configuration comes from",
    "--hydra-help": "Hydra's own flags",
}

_QUOTING = (
    "Names and paths mean what is typed. In a sweep a comma separates values, and a path that has one is quoted twice, "
    "once for the shell and once for Hydra: 'data.train.source=\"/a b,c/é.txt\",d.txt'."
)
_DEBUGGING = "An error is one sentence; hydra.verbose=true adds the traceback."


def overview() -> str:
    """The page of `rnnsearch` and `rnnsearch --help`."""
    conf = config_dir()
    options = {group: ", ".join(names) for group, names in groups(conf).items()}
    first = dict(next(iter(COMMANDS[command].examples.items())) for command in ("compare", "train", "translate"))
    return _page(
        _wrapped("rnnsearch: recurrent encoder-decoders with and without attention, compared fairly."),
        "usage: rnnsearch COMMAND [GROUP=OPTION ...] [KEY=VALUE ...] [FLAGS]",
        _section("Commands", _table({name: command.summary for name, command in COMMANDS.items()})),
        _section("Config groups, and their options", _table(options)),
        _section("Examples", _examples(first)),
        _section("Flags, after the command", _table(FLAGS)),
        _wrapped("`rnnsearch COMMAND --help` describes each option. " + _DEBUGGING),
        _wrapped('Tab completes options and keys after eval "$(rnnsearch --shell-completion install=bash)"; or zsh.'),
    )


def command_help(name: str) -> str:
    """The page of `rnnsearch NAME --help`."""
    conf, command = config_dir(), COMMANDS[name]
    keys = {f"{key}={value}".rstrip("="): comment for key, (value, comment) in command_keys(conf, name).items()}
    return _page(
        _wrapped(f"rnnsearch {name}: {command.summary}"),
        f"usage: rnnsearch {name} [GROUP=OPTION ...] [KEY=VALUE ...] [FLAGS]",
        _section("Examples", _examples(command.examples)),
        _section("Keys, and their defaults", _table(keys)),
        *(_section(f"{group}=", _table(options)) for group, options in _groups_of(conf, name).items()),
        _section("Flags", _table(FLAGS)),
        _wrapped(f"`rnnsearch {name} --cfg job` prints every key. {_QUOTING} {_DEBUGGING}"),
    )


def _groups_of(conf: Path, command: str) -> dict[str, dict[str, str]]:
    """The groups of a command in the order of its defaults list, each followed by the groups within it."""
    all_groups = groups(conf)
    chosen = dict.fromkeys(name.split("/")[0] for name in chosen_groups(conf, command))
    return {group: all_groups[group] for top in chosen for group in all_groups if group.split("/")[0] == top}


def _page(*sections: str) -> str:
    return "\n\n".join(section for section in sections if section)


def _section(title: str, body: str) -> str:
    return f"{title}\n{body}" if body else ""


def _table(rows: Mapping[str, str]) -> str:
    """Two columns; the right one is wrapped, and starts on a new line after a long left one."""
    column = min(max((len(left) for left in rows), default=0), 34) + 4
    lines = []
    for left, right in rows.items():
        wrapped = textwrap.wrap(right, max(_width() - column, 20), break_long_words=False, break_on_hyphens=False)
        head = f"  {left}".ljust(column)
        if wrapped and len(head) == column and head.endswith(" "):
            head += wrapped.pop(0)
        lines += [head.rstrip(), *(" " * column + line for line in wrapped)]
    return "\n".join(lines)


def _examples(examples: Mapping[str, str]) -> str:
    return "\n".join(f"  # {purpose}\n  {command}" for purpose, command in examples.items())


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _width(), break_long_words=False, break_on_hyphens=False)


def _width() -> int:
    return min(shutil.get_terminal_size().columns, 120)
