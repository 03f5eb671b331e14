"""Rules for API keys of cloud and AI providers, and of messaging, payment, monitoring and storage services."""

from __future__ import annotations

import re

from imgforge.privacy.judgement import is_placeholder
from imgforge.privacy.rule import Judge, Rule, after

_AWS = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids"
_AWS_KEYS = "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html"
_BEDROCK = "https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html"
_GOOGLE = "https://cloud.google.com/docs/authentication/api-keys"
_ENTRA = "https://learn.microsoft.com/en-us/purview/sit-defn-client-secret-api-key"
_AZURE = "https://learn.microsoft.com/en-us/azure/storage/common/storage-configure-connection-string"
_OCEAN = "https://docs.digitalocean.com/reference/api/create-personal-access-token/"
_OPENAI = "https://platform.openai.com/docs/api-reference/authentication"
_ANTHROPIC = "https://docs.anthropic.com/en/api/overview"
_HUGGING = "https://huggingface.co/docs/hub/security-tokens"
_FLY = "https://fly.io/docs/security/tokens/"
_SLACK = "https://docs.slack.dev/authentication/tokens/"
_WEBHOOK = "https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/"
_STRIPE = "https://docs.stripe.com/keys"
_SHOPIFY = "https://shopify.dev/changelog/length-of-the-shopify-access-token-is-increasing"
_GRAFANA = "https://grafana.com/docs/grafana/latest/administration/service-accounts/"
_RELIC = "https://docs.newrelic.com/docs/apis/intro-apis/new-relic-api-keys/"
_SENTRY = "https://docs.sentry.io/account/auth-tokens/"
_PLANET = "https://planetscale.com/docs/concepts/planetscale-api-oauth-applications"

_END = rb"(?![A-Za-z0-9_-])"


def named(before: bytes) -> Judge:
    """Return a judge that accepts a value of a fixed alphabet if it is assigned to a matching name."""
    pattern = re.compile(before + rb"[\"']?[ \t]{0,8}(?:=>|[=:])\s{0,8}[\"']?\Z")

    def judge(data: bytes, match: re.Match[bytes]) -> bytes | None:
        is_named = pattern.search(data[max(0, match.start() - _NAME_MAX) : match.start()])
        return assigned(data, match) if is_named else None

    return judge


_NAME_MAX = 48


def assigned(_data: bytes, match: re.Match[bytes]) -> bytes | None:
    """Accept a value of a fixed alphabet that is assigned to a matching name."""
    value: bytes = match["secret"]
    return None if is_placeholder(value) or len(set(value)) < 6 else value


_CLOUDS = (
    Rule("aws-access-token", "aws-access-key", (b"AKI", b"ASI", b"ABI"), rb"A(?P<secret>[A-Z2-7]{16})" + _END, _AWS,
         apart=True),
    Rule("aws-secret-key", "aws-secret-key", (b"aws_", b"AWS_"), rb"""
        (?:secret|SECRET|Secret)_(?:access|ACCESS|Access)_(?:key|KEY|Key)["']?\s{0,8}(?:=>|[=:])\s{0,8}["']?
        (?P<secret>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+])""", _AWS_KEYS, judge=assigned),
    Rule("aws-secret-access-key", "aws-secret-key", (b"",),
         rb"(?P<secret>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+])", _AWS_KEYS, judge=named(rb"[sS]ecretAccessKey"), run=True,
         length=40),
    Rule("aws-amazon-bedrock-api-key-long-lived", "aws-bedrock-key", (b"ABSK",),
         rb"[A-Za-z0-9+/]{109,269}={0,2}", _BEDROCK, run=True),
    Rule("aws-amazon-bedrock-api-key-short-lived", "aws-bedrock-key", (b"bedrock-api-key-",),
         rb"YmVkcm9jay5hbWF6b25hd3MuY29t[A-Za-z0-9+/=_-]{16,4096}", _BEDROCK),
    Rule("azure-storage-key", "azure-key", (b"",), rb"(?P<secret>[A-Za-z0-9+/]{86}==)", _AZURE,
         judge=named(rb"AccountKey"), run=True, length=86),
    Rule("azure-shared-access-key", "azure-key", (b"",), rb"(?P<secret>[A-Za-z0-9+/]{43}=)", _AZURE,
         judge=named(rb"SharedAccessKey"), run=True, length=43),
    Rule("azure-ad-client-secret", "azure-key", tuple(b"%dQ~" % digit for digit in range(10)),
         rb"[A-Za-z0-9_~.-]{31,34}(?![A-Za-z0-9_~.-])", _ENTRA),
    Rule("gcp-api-key", "gcp-api-key", (b"AI",), rb"za(?P<secret>[A-Za-z0-9_-]{35})" + _END, _GOOGLE),
    Rule("gcp-client-secret", "gcp-client-secret", (b"GOCSPX-",), rb"[A-Za-z0-9_-]{28}", _GOOGLE),
    Rule("digitalocean-pat", "digitalocean-token", (b"dop_",), rb"v(?P<secret>1_[a-f0-9]{64})", _OCEAN),
    Rule("digitalocean-access-token", "digitalocean-token", (b"doo_",), rb"v(?P<secret>1_[a-f0-9]{64})", _OCEAN),
    Rule("digitalocean-refresh-token", "digitalocean-token", (b"dor_",), rb"v(?P<secret>1_[a-f0-9]{64})", _OCEAN),
    Rule("flyio-access-token", "flyio-token", (b"fm1a_", b"fm1r_", b"fm2_"), rb"[A-Za-z0-9+/]{100,4096}={0,3}", _FLY,
         needs=0, long=True),
    Rule("flyio-oauth-token", "flyio-token", (b"fo1_",), rb"[A-Za-z0-9_-]{43}" + _END, _FLY, apart=True),
    Rule("heroku-api-key-v2", "heroku-key", (b"HRKU-",), rb"AA[A-Za-z0-9_-]{58}",
         "https://devcenter.heroku.com/articles/authentication"),
    Rule("scalingo-api-token", "scalingo-token", (b"tk-us-",), rb"[A-Za-z0-9_-]{48}" + _END,
         "https://developers.scalingo.com/tokens", apart=True),
    Rule("cloudflare-origin-ca-key", "cloudflare-key", (b"v1.0-",), rb"[a-f0-9]{24}-[a-f0-9]{146}",
         "https://developers.cloudflare.com/fundamentals/api/get-started/ca-keys/", apart=True),
    Rule("planetscale-api-token", "planetscale-token", (b"pscale_",), rb"(?:tkn|oauth|pw)_[A-Za-z0-9_.=-]{32,64}",
         _PLANET),
    Rule("databricks-api-token", "databricks-token", (b"dapi",), rb"[a-f0-9]{32}(?:-\d)?" + _END,
         "https://docs.databricks.com/en/dev-tools/auth/pat.html", run=True),
    Rule("alibaba-access-key-id", "alibaba-key", (b"LTAI",), rb"[A-Za-z0-9]{20}" + _END,
         "https://www.alibabacloud.com/help/en/ram/user-guide/create-an-accesskey-pair", apart=True),
)  # fmt: skip

_MODELS = (
    Rule("anthropic-api-key", "anthropic-key", (b"sk-ant-",), rb"(?:api|sid|oat|ort)\d\d-[A-Za-z0-9_-]{32,200}",
         _ANTHROPIC),
    Rule("anthropic-admin-api-key", "anthropic-key", (b"sk-ant-",), rb"admin\d\d-[A-Za-z0-9_-]{32,200}", _ANTHROPIC),
    Rule("openai-api-key", "openai-key", (b"sk-",), rb"(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{32,300}", _OPENAI,
         apart=True),
    Rule("openai-legacy-key", "openai-key", (b"sk-",), rb"[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}" + _END, _OPENAI,
         apart=True),
    Rule("openrouter-api-key", "openrouter-key", (b"sk-or-",), rb"v1-[a-f0-9]{64}",
         "https://openrouter.ai/docs/api-reference/authentication"),
    Rule("perplexity-api-key", "perplexity-key", (b"pplx-",), rb"[A-Za-z0-9]{48}" + _END,
         "https://docs.perplexity.ai/", apart=True),
    Rule("huggingface-access-token", "huggingface-token", (b"hf_",), rb"[A-Za-z]{34}(?![A-Za-z0-9_])", _HUGGING,
         apart=True),
    Rule("huggingface-organization-api-token", "huggingface-token", (b"api_org_",), rb"[A-Za-z]{34}(?![A-Za-z0-9_])",
         _HUGGING, apart=True),
    Rule("replicate-api-token", "replicate-token", (b"r8_",), rb"[A-Za-z0-9]{37}" + _END,
         "https://replicate.com/docs/topics/security/api-tokens",
         apart=True),
    Rule("groq-api-key", "groq-key", (b"gsk_",), rb"[A-Za-z0-9]{52}" + _END,
         "https://console.groq.com/docs/quickstart", apart=True),
)  # fmt: skip

_MESSAGES = (
    Rule("slack-bot-token", "slack-token", (b"xoxb-",), rb"[A-Za-z0-9-]{16,255}", _SLACK),
    Rule("slack-user-token", "slack-token", (b"xoxp-", b"xoxe-"), rb"[A-Za-z0-9-]{16,255}", _SLACK),
    Rule("slack-config-access-token", "slack-token", (b"xoxe.xoxp-", b"xoxe.xoxb-"), rb"1-[A-Z0-9]{100,255}", _SLACK),
    Rule("slack-legacy-token", "slack-token", (b"xoxo-", b"xoxs-", b"xoxc-", b"xoxd-"), rb"[A-Za-z0-9%-]{16,255}",
         _SLACK),
    Rule("slack-legacy-workspace-token", "slack-token", (b"xoxa-", b"xoxr-"), rb"[A-Za-z0-9-]{16,255}", _SLACK),
    Rule("slack-app-token", "slack-token", (b"xapp-",), rb"1(?P<secret>-[A-Z0-9]{8,20}-[0-9]{8,20}-[a-f0-9]{32,255})",
         _SLACK),
    Rule("slack-webhook-url", "slack-webhook", (b":",), rb"""
        //(?P<secret>hooks\.slack\.com/(?:services/T[A-Z0-9]{6,20}/B[A-Z0-9]{6,20}/[A-Za-z0-9]{20,64}
            |(?:workflows|triggers)/[A-Za-z0-9/]{40,128}))""", _WEBHOOK, needs=0, then=b"//hooks"),
    Rule("microsoft-teams-webhook", "teams-webhook", (b".webhook.office.com/webhookb2/",), rb"""
        (?P<secret>[a-z0-9-]{36}@[a-z0-9-]{36}/IncomingWebhook/[a-z0-9]{32}/[a-z0-9-]{36})""",
         "https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook"),
    Rule("discord-webhook", "discord-webhook", (b":",), rb"""
        //discord(?:app)?\.com/api/webhooks/(?P<secret>[0-9]{17,20}/[A-Za-z0-9_-]{60,80})""",
         "https://discord.com/developers/docs/resources/webhook", needs=0, then=b"//discord"),
    Rule("telegram-bot-api-token", "telegram-token", (b":",), rb"AA[A-Za-z0-9_-]{33}" + _END,
         "https://core.telegram.org/bots/features#generating-an-authentication-token",
         judge=after(rb"(?<![0-9])[0-9]{8,10}:"), then=b"AA"),
    Rule("sendgrid-api-token", "sendgrid-key", (b"SG.",), rb"[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}" + _END,
         "https://www.twilio.com/docs/sendgrid/ui/account-and-settings/api-keys", apart=True),
    Rule("sendinblue-api-token", "brevo-key", (b"xkeysib-",), rb"[a-f0-9]{64}-[A-Za-z0-9]{16}",
         "https://developers.brevo.com/"),
    Rule("mailgun-private-api-token", "mailgun-key", (b"key-",), rb"[a-f0-9]{32}" + _END,
         "https://documentation.mailgun.com/docs/mailgun/user-manual/api-key-mgmt/rbac-mgmt", apart=True),
    Rule("twilio-api-key", "twilio-key", (b"SK",), rb"[a-f0-9]{32}" + _END, "https://www.twilio.com/docs/iam/api-keys",
         run=True),
)  # fmt: skip

_COMMERCE = (
    Rule("stripe-access-token", "stripe-key", (b"sk_", b"rk_"), rb"l(?P<secret>ive_[A-Za-z0-9]{24,255})", _STRIPE,
         apart=True),
    Rule("stripe-webhook-secret", "stripe-key", (b"whsec_",), rb"[A-Za-z0-9]{32,64}" + _END, _STRIPE, apart=True),
    Rule("square-access-token", "square-token", (b"sq0atp-", b"sq0csp-"), rb"[A-Za-z0-9_-]{22,60}",
         "https://developer.squareup.com/docs/build-basics/access-tokens"),
    Rule("shopify-access-token", "shopify-token", (b"shpat_",), rb"[a-fA-F0-9]{32}", _SHOPIFY),
    Rule("shopify-custom-access-token", "shopify-token", (b"shpca_",), rb"[a-fA-F0-9]{32}", _SHOPIFY),
    Rule("shopify-private-app-access-token", "shopify-token", (b"shppa_",), rb"[a-fA-F0-9]{32}", _SHOPIFY),
    Rule("shopify-shared-secret", "shopify-token", (b"shpss_",), rb"[a-fA-F0-9]{32}", _SHOPIFY),
    Rule("shippo-api-token", "shippo-token", (b"shippo_",), rb"live_[a-fA-F0-9]{40}", "https://docs.goshippo.com/"),
    Rule("duffel-api-token", "duffel-token", (b"duffel_",), rb"live_[A-Za-z0-9_=-]{43}",
         "https://duffel.com/docs/api/overview/authentication"),
    Rule("easypost-api-token", "easypost-key", (b"EZAK",), rb"[A-Za-z0-9]{54}" + _END,
         "https://docs.easypost.com/docs/authentication",
         run=True),
    Rule("flutterwave-secret-key", "flutterwave-key", (b"FLWSECK-",), rb"[a-h0-9]{32}-X",
         "https://developer.flutterwave.com/docs"),
    Rule("maxmind-license-key", "maxmind-key", (b"_mm",), rb"k" + _END,
         "https://dev.maxmind.com/license-key-validation-api/",
         judge=after(rb"(?<![A-Za-z0-9])[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mm"), needs=0, then=b"k",
         long=True),
)  # fmt: skip

_DATA = (
    Rule("grafana-service-account-token", "grafana-token", (b"glsa_",), rb"[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}", _GRAFANA),
    Rule("grafana-cloud-api-token", "grafana-token", (b"glc_",), rb"eyJ[A-Za-z0-9+/]{32,400}={0,3}", _GRAFANA,
         apart=True, then=b"eyJ"),
    Rule("grafana-api-key", "grafana-token", (b'{"k":',),
         rb'"(?P<secret>[A-Za-z0-9]{32})","n":"[^"]{0,256}","id":\d+\}', _GRAFANA,
         needs=0, then=b'"'),
    Rule("new-relic-user-api-key", "newrelic-key", (b"NRAK-",), rb"[A-Z0-9]{27}" + _END, _RELIC, apart=True),
    Rule("new-relic-insert-key", "newrelic-key", (b"NRII-",), rb"[A-Za-z0-9-]{32}", _RELIC, apart=True),
    Rule("sentry-org-token", "sentry-token", (b"sntrys_",), rb"eyJ[A-Za-z0-9+/=_]{40,500}", _SENTRY, then=b"eyJ"),
    Rule("sentry-user-token", "sentry-token", (b"sntryu_",), rb"[a-f0-9]{64}", _SENTRY),
    Rule("dynatrace-api-token", "dynatrace-token", (b"dt0c01.", b"dt0s01.", b"dt0s16."),
         rb"[A-Z0-9]{24}\.[A-Z0-9]{64}" + _END,
         "https://docs.dynatrace.com/docs/dynatrace-api/basics/dynatrace-api-authentication"),
    Rule("postman-api-token", "postman-key", (b"PMAK-",), rb"[a-f0-9]{24}-[a-f0-9]{34}",
         "https://learning.postman.com/docs/developer/postman-api/authentication/"),
    Rule("notion-api-token", "notion-token", (b"ntn_",), rb"[0-9]{11}[A-Za-z0-9]{35}" + _END,
         "https://developers.notion.com/docs/authorization", apart=True),
    Rule("readme-api-token", "readme-token", (b"rdme_",), rb"[a-z0-9]{70}",
         "https://docs.readme.com/main/reference/authentication"),
    Rule("typeform-api-token", "typeform-token", (b"tfp_",), rb"[A-Za-z0-9_.=-]{40,60}",
         "https://www.typeform.com/developers/get-started/personal-access-token/",
         apart=True),
    Rule("frameio-api-token", "frameio-token", (b"fio-u-",), rb"[A-Za-z0-9_=-]{64}",
         "https://developer.frame.io/docs/getting-started/authentication"),
    Rule("adobe-client-secret", "adobe-secret", (b"p8e-",), rb"[A-Za-z0-9_-]{32}" + _END,
         "https://developer.adobe.com/developer-console/docs/guides/authentication/",
         apart=True),
    Rule("defined-networking-api-token", "defined-token", (b"dnkey-",), rb"[A-Za-z0-9=_-]{26}-[A-Za-z0-9=_-]{52}",
         "https://docs.defined.net/guides/automating-host-creation/"),
    Rule("intra42-client-secret", "intra42-secret", (b"s-s4t2ud-", b"s-s4t2af-"), rb"[a-f0-9]{64}",
         "https://api.intra.42.fr/apidoc/guides/getting_started"),
    Rule("airtable-personnal-access-token", "airtable-token", (b".",), rb"[a-f0-9]{64}" + _END,
         "https://airtable.com/developers/web/guides/personal-access-tokens",
         judge=after(rb"(?<![A-Za-z0-9])pat[A-Za-z0-9]{14}\."), needs=40),
)  # fmt: skip

CLOUDS = _CLOUDS + _MODELS + _MESSAGES + _COMMERCE + _DATA
