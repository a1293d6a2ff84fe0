"""What is committed of a record says nothing of where things lay."""

import pytest

from rnnsearch.study.local_paths import published


@pytest.mark.parametrize(
    ("word", "kept"),
    [
        ('hydra.run.dir="/home/me/my runs/first"', "hydra.run.dir=first"),
        ("data.root=/corpora/multi30k", "data.root=multi30k"),
        ("paths.output=outputs/mine", "paths.output=outputs/mine"),
        ("model/context=fixed", "model/context=fixed"),
        ("train", "train"),
    ],
)
def test_of_absolute_paths_the_last_part_is_kept(word: str, kept: str) -> None:
    record = {"command": ["rnnsearch", word], "seed": 1}
    assert published(record) == {"command": ["rnnsearch", kept], "seed": 1}
    assert record["command"][1] == word
