"""What kind of file a path is, told from its name alone."""

from __future__ import annotations

import re

LANGUAGES = {
    "Ada": "adb ads", "Assembly": "asm s", "Astro": "astro", "Awk": "awk", "Batch": "bat cmd", "C": "c h",
    "C#": "cs csx", "C++": "cc cpp cxx c++ hh hpp hxx h++ ipp inl", "Clojure": "clj cljs cljc edn",
    "CMake": "cmake", "CoffeeScript": "coffee", "Common Lisp": "lisp lsp cl", "Crystal": "cr",
    "CSS": "css scss sass less", "CUDA": "cu cuh", "D": "d", "Dart": "dart", "Elixir": "ex exs", "Elm": "elm",
    "Erlang": "erl hrl", "F#": "fs fsi fsx", "Fortran": "f f90 f95 f03 f08 for", "GLSL": "glsl vert frag",
    "Go": "go", "GraphQL": "graphql gql", "Groovy": "groovy gradle", "Haskell": "hs lhs", "HTML": "html htm xhtml",
    "Java": "java", "JavaScript": "js mjs cjs jsx", "Julia": "jl", "Jupyter Notebook": "ipynb", "Kotlin": "kt kts",
    "Lua": "lua", "MATLAB": "matlab", "Nim": "nim", "Nix": "nix", "Objective-C": "m mm", "OCaml": "ml mli",
    "Pascal": "pas pp", "Perl": "pl pm t", "PHP": "php phtml", "PowerShell": "ps1 psm1 psd1", "Prolog": "pro",
    "Protocol Buffers": "proto", "Puppet": "puppet", "Python": "py pyi pyw pyx", "R": "r rmd", "Racket": "rkt",
    "Rego": "rego", "Ruby": "rb rake gemspec erb", "Rust": "rs", "Scala": "scala sc sbt", "Scheme": "scm ss",
    "Shell": "sh bash zsh fish ksh bats", "Solidity": "sol", "SQL": "sql", "Starlark": "bzl star",
    "Svelte": "svelte", "Swift": "swift", "Tcl": "tcl", "Terraform": "tf tfvars hcl",
    "TypeScript": "ts tsx mts cts", "V": "v", "VBA": "bas vb vba", "Verilog": "sv svh vh", "VHDL": "vhd vhdl",
    "Vue": "vue", "WebAssembly": "wat", "Zig": "zig",
}  # fmt: skip
MARKUP = {
    "AsciiDoc": "adoc asciidoc", "Markdown": "md markdown mdx", "reStructuredText": "rst", "TeX": "tex sty cls bib",
    "Text": "txt",
}  # fmt: skip
DATA = {
    "CSV": "csv tsv", "INI": "ini cfg conf properties editorconfig",
    "JSON": "json jsonl json5 jsonc geojson webmanifest", "SVG": "svg", "TOML": "toml",
    "XML": "xml xsd xsl xslt plist csproj fsproj vbproj props targets", "YAML": "yaml yml",
}  # fmt: skip
NAMES = {
    "dockerfile": "Dockerfile", "containerfile": "Dockerfile", "makefile": "Makefile", "gnumakefile": "Makefile",
    "rakefile": "Ruby", "gemfile": "Ruby", "podfile": "Ruby", "vagrantfile": "Ruby", "jenkinsfile": "Groovy",
    "cmakelists.txt": "CMake", "build.bazel": "Starlark", "build": "Starlark", "workspace": "Starlark",
    "justfile": "Just",
}  # fmt: skip
BY_SUFFIX = {
    suffix: language
    for table in (LANGUAGES, MARKUP, DATA)
    for language, names in table.items()
    for suffix in names.split()
}
CODE_LANGUAGES = frozenset((*LANGUAGES, *NAMES.values()))

INTERPRETERS = {
    "awk": "Awk", "bash": "Shell", "bats": "Shell", "bun": "JavaScript", "dash": "Shell", "deno": "TypeScript",
    "elixir": "Elixir", "escript": "Erlang", "fish": "Shell", "gawk": "Awk", "groovy": "Groovy", "julia": "Julia",
    "ksh": "Shell", "lua": "Lua", "make": "Makefile", "node": "JavaScript", "perl": "Perl", "php": "PHP",
    "pwsh": "PowerShell", "python": "Python", "rscript": "R", "ruby": "Ruby", "sh": "Shell", "swift": "Swift",
    "tclsh": "Tcl", "zsh": "Shell",
}  # fmt: skip
_SHEBANG = re.compile(rb"#!\s*\S*?(?:/|^)(?:env\s+(?:-\S+\s+|\w+=\S+\s+)*)?([A-Za-z]+)[\d.]*(?:\s|$)")

CODE, TEST, DOCS, DATA_ROLE, GENERATED, VENDORED = "code", "test", "docs", "data", "generated", "vendored"

_VENDORED = re.compile(
    r"(?:^|/)(?:vendor|vendored|_vendor|node_modules|bower_components|third[_-]?party|3rdparty"
    r"|site-packages|\.venv|venv|\.yarn/(?:releases|plugins|cache)|Godeps|Pods|\.gradle)/",
    re.IGNORECASE,
)
_GENERATED = re.compile(
    r"(?:^|/)(?:dist|__generated__|__pycache__|\.next|\.nuxt|__snapshots__)/|\.min\.(?:js|css|mjs)$|\.map$"
    r"|[._-]pb2(?:_grpc)?\.pyi?$"
    r"|\.pb(?:\.gw)?\.(?:go|cc|h)$|\.generated\.\w+$|_generated\.\w+$|\.g\.(?:cs|dart)$|(?:^|/)zz_generated[._]"
    r"|\.freezed\.dart$|\.designer\.cs$|\.lock$|(?:^|/)(?:package-lock\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml"
    r"|go\.sum"
    r"|bun\.lockb|flake\.lock|packages\.lock\.json|\.terraform\.lock\.hcl|gradle\.lockfile|gradlew(?:\.bat)?"
    r"|mvnw(?:\.cmd)?)$",
    re.IGNORECASE,
)
_TEST = re.compile(
    r"(?:^|/)(?:tests?|testing|testdata|test[_-]data|spec|specs|__tests__|__mocks__|fixtures?|e2e"
    r"|integration[_-]tests?|t)/"
    r"|(?:^|/)(?:test_[^/]*|conftest)\.py$|[^/]_test\.(?:py|go|dart|exs|rb|c|cc|cpp)$|[^/]\.(?:test|spec|e2e"
    r"|cy)\.[cm]?[jt]sx?$"
    r"|[^/](?:Tests?|IT|Spec)\.(?:java|kt|scala|groovy|cs|fs|swift|php)$|_spec\.(?:rb|lua|js)$|\.bats$|_test\.rego$",
)
_EXAMPLE = re.compile(
    r"(?:^|/)(?:examples?|samples?|demos?|tutorials?|docs?|documentation)/|[._-](?:example|sample|template|dist"
    r"|tmpl|tpl)(?:\.\w+)?$",
    re.IGNORECASE,
)


def language_of(path: str) -> str:
    """The language by file name, or "" when it is none we know."""
    name = path.rpartition("/")[2].lower()
    if name in NAMES:
        return NAMES[name]
    if name.startswith(("dockerfile.", "containerfile.")) or name.endswith(".dockerfile"):
        return "Dockerfile"
    stem, _, suffix = name.rpartition(".")
    return BY_SUFFIX.get(suffix, "") if stem else ""


def script_language(content: bytes) -> str:
    """The language that a script's first line names, or ""."""
    match = _SHEBANG.match(content[:200]) if content.startswith(b"#!") else None
    return INTERPRETERS.get(match[1].decode("ascii").lower(), "") if match else ""


def role_of(path: str, language: str) -> str:
    """What the file is for: vendored before generated before test before docs before code."""
    if _VENDORED.search(path):
        return VENDORED
    if _GENERATED.search(path):
        return GENERATED
    if _TEST.search(path):
        return TEST
    if language in MARKUP:
        return DOCS
    return CODE if language in CODE_LANGUAGES else DATA_ROLE


def is_example(path: str) -> bool:
    """Files that show how something is done, where credentials are mostly invented."""
    return bool(_EXAMPLE.search(path))
