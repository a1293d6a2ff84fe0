"""`python -m benchmarks COMMAND ...`: timings beside other systems, with the distance to what the hardware can do."""

import importlib
import sys
from collections.abc import Sequence

from benchmarks.options import Options, Parser, check_device

COMMANDS = {
    "training_step": "forward and backward, systems in turn: tokens a second, share of the matrix-product peak",
    "memory": "peak memory of a step above the level before it, against length",
    "decode": "beam search by trained models, output lengths equal",
    "end_to_end": "`rnnsearch train` beside `joeynmt train` and `onmt_train`",
    "lengths": "cost by length and by batch size: the price of recurrence",
    "rungs": "from the paper's decoder to the Transformer, at equal parameters: training and translation",
    "start_up": "from the command to its first deed",
    "sweep": "points a minute, beside Hydra's joblib launcher",
    "corpora": "time and memory of corpora from thousands to millions of pairs",
    "wmt14": "an estimate for WMT'14 English-French on 1, 8 and 64 GPUs",
    "everything": "all of these at the sizes of `make bench`, and the page",
    "page": "the page from the JSON files of a folder",
}
EPILOG = """examples:
  python -m benchmarks training_step --lengths 15,30,60 --json OUT.json
  python -m benchmarks training_step --lengths 30 --model tiny --systems ours,plain_loop
  python -m benchmarks memory --lengths 25,50,100 --json OUT.json
  python -m benchmarks decode --sentences 200 --json OUT.json
  python -m benchmarks end_to_end --updates 60 --json OUT.json --peers .venv-peers/bin/python
Systems compute in turn, each alone in its own process; figures are medians over the rounds, with lowest and highest.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    from argparse import RawDescriptionHelpFormatter

    parser = Parser(prog="benchmarks", description=__doc__, epilog=EPILOG, formatter_class=RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    for name, summary in COMMANDS.items():
        module = importlib.import_module(f"benchmarks.{name}")
        command = commands.add_parser(name, help=summary, description=module.__doc__)
        module.add(command)
        command.set_defaults(run=module.run)
    options = parser.parse_args(arguments, namespace=Options())
    return _run(options)


def _run(options: Options) -> int:
    from benchmarks.rows import write
    from benchmarks.workers import SystemFailed

    try:
        check_device(options)
        findings = options.run(options)
        if findings is not None:
            write(findings, options)
    except (ValueError, OSError, SystemFailed) as error:
        print(f"benchmarks {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"benchmarks {options.command}: stopped", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
