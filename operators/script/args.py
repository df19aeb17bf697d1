"""The typed value of `script:`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from somagent.capsule_compiler.catalogue import INCLUDE, LONE, PLAIN, SCRIPT, SECRETS
from somagent.capsule_compiler.model.about import about, form
from somagent.capsule_compiler.model.quantities import CORES, SIZE
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
_RESOURCES_PLAIN = "what a step may use at most is settled when the capsule is written"

_PLAIN = Meta(extra_json_schema={HINTS: {PLAIN: _RESOURCES_PLAIN}})
_Size = Annotated[str, form(SIZE, "a size like `512Mi` (units Ki, Mi, Gi, Ti)", "Number of bytes", "512Mi", "1.5Gi")]
_Cores = Annotated[
    str, form(CORES, 'a number of cores like `500m` or `"2"`', "Processor cores, whole or in thousandths", "500m")
]


class Resources(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel"):
    """What one attempt of a script may use at most; what is absent is not limited."""

    memory: Annotated[_Size, about("Memory of all its processes together", "512Mi"), _PLAIN] | UnsetType = UNSET
    cpu: Annotated[_Cores, about("Cores that it keeps busy", "500m"), _PLAIN] | UnsetType = UNSET
    file_size: Annotated[_Size, about("Size of each file that it writes", "1Gi"), _PLAIN] | UnsetType = UNSET
    processes: (
        Annotated[int, Meta(ge=1, le=100_000), about("Processes and threads at a time", 64), _PLAIN] | UnsetType
    ) = UNSET


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
            description="Container image, where scripts run in containers",
            extra_json_schema={HINTS: {PLAIN: _IMAGE_PLAIN}},
        ),
    ] = ""
    resources: (
        Annotated[
            Resources,
            Meta(description="What an attempt may use at most; one that wants more ends with the class `resources`"),
        ]
        | UnsetType
    ) = UNSET
