"""Characters that act instead of being seen, and so may not be written into a document or to a terminal as they are.

A text may come from anybody's file. C0 and C1 controls move the cursor, set titles, or begin escape sequences (U+009B
alone does); Unicode's Bidi_Control characters let text be read in another order than the one that it is stored in
(CVE-2021-42574); separators of lines break a line where no newline is; surrogates and U+FFFE, U+FFFF are no text, and
no XML may hold them. All else stays, what joins letters above all (U+200C, U+200D): scripts need it.
"""

import re

_C0_BUT_LINES = "\x00-\x08\x0b-\x1f"  # tab and newline belong to a document
_DELETE_AND_C1 = "\x7f-\x9f"
_BIDI_CONTROL = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # UAX 9, PropList.txt
_SEPARATORS = "\u2028\u2029"
_NO_TEXT = "\ud800-\udfff\ufffe\uffff"
_ACTING = re.compile(f"[{_C0_BUT_LINES}{_DELETE_AND_C1}{_BIDI_CONTROL}{_SEPARATORS}{_NO_TEXT}]")
_LINES = str.maketrans({"\t": "\\t", "\n": "\\n"})


def visible(text: str) -> str:
    r"""The text with each such character as its number, ``\u202e``, as JSON would write it; tabs and newlines stay.

    JSON that goes through here is therefore JSON of the same value.
    """
    return _ACTING.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def visible_line(text: str) -> str:
    r"""As `visible`, for text that must stay on one line: tabs and newlines become ``\t`` and ``\n``."""
    return visible(text).translate(_LINES)
