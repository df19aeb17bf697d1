"""What credentials look like: one rule a kind, from the issuers' published formats.

A rule costs nothing where none of its `keywords` occurs. `critical` rules have a form that only a working credential of
that issuer has; `medium` rules see a name and a random value and can be wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..findings import Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of credential. The group `secret` of the pattern, or all of it, is the value."""

    id: str
    title: str
    severity: Severity
    keywords: tuple[bytes, ...]  # one of them is in the text, else the pattern is not tried
    pattern: re.Pattern[bytes]
    entropy: float = 3.0  # bits per character, at least (Shannon)
    any_case: bool = False  # the keywords are lower case and the text is compared in lower case
    lenient: bool = False  # invented values are common: tests, examples and vendored code are treated mildly


def _token(
    rule: str, title: str, pattern: str, *keywords: str, severity: Severity = "critical", entropy: float = 3.0
) -> Rule:
    body = re.compile(rb"(?<![A-Za-z0-9_])(?P<secret>" + pattern.encode() + rb")(?![A-Za-z0-9_])")
    return Rule(
        rule, title, severity, tuple(word.encode() for word in keywords), body, entropy, lenient=severity != "critical"
    )


TOKENS = (
    _token("aws-access-key", "AWS access key id", r"(?:AKIA|ABIA|ACCA)[A-Z2-7]{16}", "AKIA", "ABIA", "ACCA"),
    _token("aws-temporary-key", "AWS temporary key id", r"ASIA[A-Z2-7]{16}", "ASIA", severity="medium"),
    _token("github-token", "GitHub token", r"gh[pousr]_[A-Za-z0-9]{36,251}", "ghp_", "gho_", "ghu_", "ghs_",
           "ghr_"),
    _token("github-fine-grained-token", "GitHub fine-grained token", r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}",
           "github_pat_"),
    _token("gitlab-token", "GitLab token", r"gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|soat)-[A-Za-z0-9_.-]{20,300}",
           "glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glft-", "glimt-", "glagent-", "glsoat-"),
    _token("slack-token", "Slack token", r"xox[abeoprs]-(?:\d+-)?[A-Za-z0-9-]{20,250}", "xox"),
    _token("slack-app-token", "Slack app token", r"xapp-\d-[A-Z0-9]{8,}-\d+-[a-z0-9]{40,}", "xapp-"),
    _token("slack-webhook", "Slack webhook address",
           r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{43,56}", "hooks.slack.com/"),
    _token("stripe-key", "Stripe live key", r"(?:sk|rk)_live_[A-Za-z0-9]{16,247}", "sk_live_", "rk_live_"),
    _token("stripe-test-key", "Stripe test key", r"(?:sk|rk)_test_[A-Za-z0-9]{16,247}", "sk_test_", "rk_test_",
           severity="low"),
    _token("openai-key", "OpenAI API key",
           r"sk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,100}T3BlbkFJ[A-Za-z0-9_-]{20,100}", "T3BlbkFJ"),
    _token("anthropic-key", "Anthropic API key", r"sk-ant-(?:api|admin)\d{2}-[A-Za-z0-9_-]{80,120}", "sk-ant-"),
    _token("huggingface-token", "Hugging Face token", r"(?:hf|api_org)_[A-Za-z]{34}", "hf_", "api_org_"),
    _token("google-oauth-secret", "Google OAuth client secret", r"GOCSPX-[A-Za-z0-9_-]{28}", "GOCSPX-"),
    _token("google-api-key", "Google API key", r"AIza[A-Za-z0-9_-]{35}", "AIza", severity="medium"),
    _token("npm-token", "npm token", r"npm_[A-Za-z0-9]{36}", "npm_"),
    _token("pypi-token", "PyPI token", r"pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,1000}", "pypi-AgEI"),
    _token("rubygems-key", "RubyGems key", r"rubygems_[a-f0-9]{48}", "rubygems_"),
    _token("crates-token", "crates.io token", r"cio[A-Za-z0-9]{32}", "cio", severity="medium", entropy=4.0),
    _token("docker-token", "Docker Hub token", r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{27,36}", "dckr_"),
    _token("sendgrid-key", "SendGrid key", r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}", "SG."),
    _token("mailgun-key", "Mailgun key", r"key-[a-f0-9]{32}", "key-", severity="high"),
    _token("twilio-key", "Twilio API key", r"SK[a-f0-9]{32}", "SK", severity="medium", entropy=3.3),
    _token("telegram-token", "Telegram bot token", r"\d{8,10}:AA[A-Za-z0-9_-]{33}", ":AA"),
    _token("discord-token", "Discord bot token", r"[MNO][A-Za-z\d_-]{23,27}\.[A-Za-z\d_-]{6}\.[A-Za-z\d_-]{27,38}",
           "discord", "Discord", "DISCORD", entropy=4.0),
    _token("discord-webhook", "Discord webhook address",
           r"discord(?:app)?\.com/api/webhooks/\d{17,20}/[A-Za-z0-9_-]{60,72}", "/api/webhooks/", severity="high"),
    _token("digitalocean-token", "DigitalOcean token", r"do[por]_v1_[a-f0-9]{64}", "_v1_"),
    _token("shopify-token", "Shopify token", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}", "shpat_", "shpca_", "shppa_",
           "shpss_"),
    _token("databricks-token", "Databricks token", r"dapi[a-f0-9]{32}(?:-\d)?", "dapi"),
    _token("vault-token", "HashiCorp Vault token", r"hv[sb]\.[A-Za-z0-9_-]{90,300}", "hvs.", "hvb."),
    _token("terraform-token", "Terraform Cloud token", r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,70}",
           ".atlasv1."),
    _token("atlassian-token", "Atlassian API token", r"ATATT3[A-Za-z0-9_=-]{180,200}", "ATATT3"),
    _token("grafana-token", "Grafana service account token", r"glsa_[A-Za-z0-9]{32}_[a-fA-F0-9]{8}", "glsa_"),
    _token("newrelic-key", "New Relic user key", r"NRAK-[A-Z0-9]{27}", "NRAK-"),
    _token("postman-key", "Postman API key", r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}", "PMAK-"),
    _token("linear-key", "Linear API key", r"lin_(?:api|oauth)_[A-Za-z0-9]{40,64}", "lin_api_", "lin_oauth_"),
    _token("planetscale-token", "PlanetScale credential", r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{32,64}",
           "pscale_"),
    _token("1password-token", "1Password service account token", r"ops_eyJ[A-Za-z0-9+/_-]{200,2000}={0,2}",
           "ops_eyJ"),
    _token("age-key", "age secret key", r"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}",
           "AGE-SECRET-KEY-1"),
    _token("azure-client-secret", "Azure AD client secret", r"[A-Za-z0-9_~.]{3}[78]Q~[A-Za-z0-9_~.-]{31,34}", "Q~",
           entropy=3.5),
    _token("azure-storage-key", "Azure storage key", r"AccountKey=[A-Za-z0-9+/]{86}==", "AccountKey="),
    _token("json-web-token", "JSON web token",
           r"eyJ[A-Za-z0-9_-]{15,500}\.eyJ[A-Za-z0-9_-]{15,4000}\.[A-Za-z0-9_-]{20,1000}", "eyJ", severity="medium"),
)  # fmt: skip

# The name of a setting that holds a credential; `suffix` is what follows in the name (`_url`: it holds something else).
_NAMED = (
    rb"(?:passw(?:or)?d|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|auth[_-]?key|account[_-]?key"
    rb"|private[_-]?key|encryption[_-]?key|signing[_-]?key|credentials?)(?P<suffix>[\w.-]{0,24})"
)
NAME_BEFORE = re.compile(rb"(?i)" + _NAMED + rb"[\"'`\])]{0,2}\s{0,3}\Z")
NAME_REACH = 64  # bytes before the sign of assignment in which the name stands
_GENERIC_WORDS = (b"passw", b"passphrase", b"pwd", b"secret", b"token", b"key", b"credential")

AWS_SECRET = Rule(
    "aws-secret-key",
    "AWS secret access key",
    "critical",
    (b"aws", b"secret_access_key", b"secretaccesskey"),
    re.compile(
        rb"(?i:aws.{0,20}secret|secret_?access_?key|aws.{0,12}key).{0,20}?[=:,]\s{0,3}[\"'`]?"
        rb"(?<![A-Za-z0-9/+])(?P<secret>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])"
    ),
    entropy=4.0,
    any_case=True,
)
PRIVATE_KEY = Rule(
    "private-key",
    "private key",
    "high",
    (b"PRIVATE KEY",),
    re.compile(
        rb"-----BEGIN (?P<kind>[A-Z0-9 ]{0,20})PRIVATE KEY(?: BLOCK)?-----"
        rb"(?P<secret>(?:[^-]|-(?!----)){64,20000})(?:-----END [A-Z0-9 ]{0,20}PRIVATE KEY|\Z)"
    ),
    entropy=4.0,
    lenient=True,
)
ADDRESS = Rule(
    "url-credentials",
    "user name and password in an address",
    "high",
    (b"://",),
    re.compile(
        rb"(?i)\b(?P<scheme>[a-z][a-z0-9+.-]{1,20})://(?P<user>[^\s:/?#@\"'<>`\\]{0,64}):"
        rb"(?P<secret>[^\s/?#@\"'<>`\\]{4,100})@(?P<host>[\w.-]{1,200})"
    ),
    entropy=2.5,
    lenient=True,
)
QUOTED = Rule(
    "generic-secret",
    "random value under a credential's name",
    "medium",
    _GENERIC_WORDS,
    re.compile(  # begins at the sign of assignment, which is rarer than the names; `NAME_BEFORE` looks back
        rb"(?::=|=>|[=:])\s{0,3}[bruf]{0,2}(?P<quote>[\"'`])(?=[^\"'`\s]{0,200}\d)(?P<secret>[^\"'`\s]{8,200})(?P=quote)"
    ),
    entropy=3.5,
    any_case=True,
    lenient=True,
)
UNQUOTED = Rule(
    "generic-secret",
    "random value under a credential's name",
    "medium",
    _GENERIC_WORDS,
    re.compile(
        rb"(?im)^[ \t]*(?:export[ \t]+|set[ \t]+|ENV[ \t]+|ARG[ \t]+|-[ \t]+)?[\w.-]{0,40}?" + _NAMED
        + rb"[ \t]{0,3}[=:][ \t]{0,3}(?P<secret>[^\s\"'`#]{8,200})[ \t]*\r?$"
    ),
    entropy=3.5,
    any_case=True,
    lenient=True,
)  # fmt: skip

RULES: tuple[Rule, ...] = (*TOKENS, AWS_SECRET, PRIVATE_KEY, ADDRESS, QUOTED, UNQUOTED)
