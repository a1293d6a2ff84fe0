"""What Hydra and OmegaConf say of a value that can't stand where it was put, in sentences of our own."""

import re
from collections.abc import Mapping

from omegaconf.errors import GrammarParseError, MissingMandatoryValue, OmegaConfBaseException

from rnnsearch.config.keys.table import holds_keys, kind_of

COMPOSING: Mapping[str, str] = {  # what Hydra's message begins with -> the sentence
    r"Could not append to config\. An item is already at '([^']*)'": "{0} is there already; write {0}=VALUE, without +",
    r"Could not delete '([^'=]*)(?:=[^']*)?'\. No match": "~{0}: no such {0} is chosen; leave ~{0} out",
    r"Error resolving interpolation '\$\{([^']*)\}', possible": "no {0} is chosen, by which another group is; give "
    "{0}=OPTION",
    r"Sweeping over Hydra's configuration is not supported : '(.*)'": "{0}: Hydra's own keys take one value; give one",
}
TYPES: Mapping[str, str] = {  # what OmegaConf says of a value for a key of Hydra's -> what the key takes
    "valid bool": "give true or false",
    "to Integer": "give a whole number",
    "to string": "give a text",
    "not Optional": "null is nothing that it can be; give it a value",
}


def unmerged(override: str, cause: BaseException, command: str) -> str:
    """The sentence for an override that can't take the place of what stands there."""
    key, _, value = override.partition("=")
    key, text = key.lstrip("+"), str(cause)
    if isinstance(cause, GrammarParseError):
        return f"{override}: ${{ begins the name of a key, as in ${{seed}}, and this is none; close it with }}"
    if "Unexpected type annotation" in text:
        return f"{override}: {key} takes one value here; several are for rnnsearch sweep {key}=A,B"
    if kind := kind_of(key, command):
        return f"{key}={value}: give {kind.noun}"
    if holds_keys(key, command):
        return f"{key}={value}: {key} has keys of its own; set them, such as {key}.KEY=VALUE"
    for words, allowed in TYPES.items():
        if words in text:
            return f"{key}={value}: {allowed}"
    return f"{key}={value}: it can't be that; `rnnsearch {command} --cfg hydra` shows what it is"


def unresolved(error: OmegaConfBaseException) -> str:
    """The sentence for a key whose value can't be had."""
    key, text = getattr(error, "full_key", None) or "a key", str(error)
    if isinstance(error, MissingMandatoryValue):
        return f"{key} has no value; give one: {key}=..."
    if gone := re.match(r"Interpolation key '(.+)' not found", text):
        return f"{key} takes its value from {gone[1]}, which is not there; leave that where it is, or set {key}"
    if "Recursive interpolation" in text:
        return f"{key} takes its value from itself; give it one: {key}=VALUE"
    if unknown := re.match(r"Unsupported interpolation type (\S+)", text):
        return f"{key}: there is no ${{{unknown[1]}:...}}; take a key, ${{KEY}}, or the environment, ${{oc.env:NAME}}"
    if unset := re.search(r"Environment variable '(.+)' not found", text):
        return f"{key} takes its value from the environment's {unset[1]}, which is not set; set it, or {key}=VALUE"
    if re.match(r"\w+ raised while resolving interpolation", text):
        return f"{key} takes its value from a ${{NAME:...}} that can't take what stands in it; give it one: {key}=VALUE"
    return f"{key}: {text.partition(chr(10))[0].strip()}"
