"""The typed value of `script:`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from somagent.capsule_compiler.catalogue import INCLUDE, LONE, PLAIN, SCRIPT, SECRETS
from somagent.governance.documents import HINTS

# Names that decide which code runs, or that belong to the runner; the rest of an environment is the author's.
_RESERVED = (
    "SOMAGENT_.*|LD_.*|DYLD_.*|PYTHON.*|BASH.*|"
    "PATH|HOME|TMPDIR|ENV|SHELLOPTS|IFS|PS4|PROMPT_COMMAND|PWD|OLDPWD|SHLVL|UID|EUID|PPID|_"
)
ENV_NAME = f"^(?!(?:{_RESERVED})$)[A-Za-z_][A-Za-z0-9_]*$"

_RUN_PLAIN = (
    'values reach a script through `env`, never through its text: write `env: { NAME: "${{ ... }}" }` beside `run` and'
    ' "$NAME" in the script'
)
_INCLUDE_PLAIN = "files beside the capsule are taken along when it is checked, so their paths cannot be computed"
_IMAGE_PLAIN = "an image is chosen when the capsule is written"


class ScriptArgs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A script of bash or Python."""

    run: Annotated[
        str,
        Meta(
            min_length=1,
            description="The script's text",
            extra_json_schema={HINTS: {LONE: True, SCRIPT: "env", PLAIN: _RUN_PLAIN}},
        ),
    ]
    shell: Annotated[
        Literal["bash", "python"], Meta(description="What reads the text", extra_json_schema={"type": "string"})
    ] = "bash"
    env: Annotated[
        dict[
            Annotated[
                str,
                Meta(
                    pattern=ENV_NAME,
                    extra_json_schema={
                        HINTS: {
                            "noun": "a name for a script's variable (letters, digits, `_`; not SOMAGENT_*, PATH, HOME"
                            " or another name that decides which code runs)"
                        }
                    },
                ),
            ],
            Any,
        ],
        Meta(
            description="Values for the script, as environment variables and in the file $SOMAGENT_INPUT: strings as"
            " they are, artifacts as the path of a read-only copy, all else as JSON; a secret in the variable only",
            extra_json_schema={HINTS: {SECRETS: True}},
        ),
    ] = {}
    include: Annotated[
        list[
            Annotated[
                str,
                Meta(
                    min_length=1,
                    extra_json_schema={
                        HINTS: {PLAIN: _INCLUDE_PLAIN, "noun": "the path of a file or folder beside the capsule"}
                    },
                ),
            ]
        ],
        Meta(
            description="Files and folders beside the capsule, found below $SOMAGENT_INCLUDE, which Python also"
            " imports from. Of a folder, `__pycache__`, `*.pyc`, `.git`, `.somagent`, `.venv` and `node_modules`"
            " are left out; a link that leads out of the capsule's folder is an error",
            extra_json_schema={HINTS: {INCLUDE: True, PLAIN: _INCLUDE_PLAIN}},
        ),
    ] = []
    image: Annotated[
        str,
        Meta(
            description="Container image, on engines that have containers",
            extra_json_schema={HINTS: {PLAIN: _IMAGE_PLAIN}},
        ),
    ] = ""
