"""Rules for tokens of code hosting, package registries and deployment services.

Each rule links the documentation of its format. `tests/privacy/gitleaks.py` compares the rules with those of gitleaks.
"""

from __future__ import annotations

from imgforge.privacy.rule import Rule, after

_GITHUB = "https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/"
_GITLAB = "https://docs.gitlab.com/security/tokens/#token-prefixes"
_TERRAFORM = "https://developer.hashicorp.com/terraform/cloud-docs/users-teams-organizations/api-tokens"
_VAULT = "https://developer.hashicorp.com/vault/docs/concepts/tokens#token-prefixes"
_JFROG = "https://jfrog.com/help/r/jfrog-platform-administration-documentation/access-tokens"
_ATLASSIAN = "https://support.atlassian.com/atlassian-account/docs/manage-api-tokens-for-your-atlassian-account/"
_SONAR = "https://docs.sonarsource.com/sonarqube-server/user-guide/managing-tokens/"
_PULUMI = "https://www.pulumi.com/docs/pulumi-cloud/access-management/access-tokens/"
_DOPPLER = "https://docs.doppler.com/docs/service-tokens"

_END = rb"(?![A-Za-z0-9_-])"
_GITHUB_BODY = rb"[A-Za-z0-9]{36,255}"
_GITLAB_BODY = rb"[A-Za-z0-9_-]{20,300}(?:\.[0-9a-z]{9})?"

_FORGES = (
    Rule("github-pat", "github-token", (b"ghp_",), _GITHUB_BODY, _GITHUB),
    Rule("github-oauth", "github-token", (b"gho_",), _GITHUB_BODY, _GITHUB),
    Rule("github-app-token", "github-token", (b"ghu_", b"ghs_"), _GITHUB_BODY, _GITHUB),
    Rule("github-refresh-token", "github-token", (b"ghr_",), _GITHUB_BODY, _GITHUB),
    Rule(
        "github-fine-grained-pat",
        "github-token",
        (b"github_p",),
        rb"at_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}",
        _GITHUB,
    ),
    Rule("gitlab-pat", "gitlab-token", (b"glpat-",), _GITLAB_BODY, _GITLAB),
    Rule("gitlab-ptt", "gitlab-token", (b"glptt-",), _GITLAB_BODY, _GITLAB),
    Rule("gitlab-deploy-token", "gitlab-token", (b"gldt-",), _GITLAB_BODY, _GITLAB),
    Rule("gitlab-feature-flag-client-token", "gitlab-token", (b"glffct-", b"glftt-"), _GITLAB_BODY, _GITLAB),
    Rule("gitlab-feed-token", "gitlab-token", (b"glft-",), _GITLAB_BODY, _GITLAB),
    Rule("gitlab-incoming-mail-token", "gitlab-token", (b"glimt-",), _GITLAB_BODY, _GITLAB),
    Rule("gitlab-kubernetes-agent-token", "gitlab-token", (b"glagent-",), _GITLAB_BODY, _GITLAB),
    Rule("gitlab-oauth-app-secret", "gitlab-token", (b"gloas-",), _GITLAB_BODY, _GITLAB),
    Rule("gitlab-runner-authentication-token", "gitlab-token", (b"glrt-", b"glrtr-"), _GITLAB_BODY, _GITLAB),
    Rule("gitlab-scim-token", "gitlab-token", (b"glsoat-",), _GITLAB_BODY, _GITLAB),
    Rule("gitlab-cicd-job-token", "gitlab-token", (b"glcbt-",), _GITLAB_BODY, _GITLAB),
    Rule("gitlab-session-cookie", "gitlab-token", (b"_gitlab_session=",), rb"[0-9a-z]{32}", _GITLAB),
    Rule(
        "atlassian-api-token",
        "atlassian-token",
        (b"ATATT3xF",),
        rb"fGF0[A-Za-z0-9_-]{40,250}=[A-F0-9]{8}",
        _ATLASSIAN,
        then=b"fGF0",
    ),
    Rule("linear-api-key", "linear-key", (b"lin_",), rb"api_[A-Za-z0-9]{40}", "https://linear.app/developers/graphql"),
    Rule("sonar-api-token", "sonar-token", (b"squ_", b"sqp_", b"sqa_"), rb"[a-f0-9]{40}" + _END, _SONAR, apart=True),
    Rule(
        "sourcegraph-access-token",
        "sourcegraph-token",
        (b"sgp_",),
        rb"(?:(?:[a-fA-F0-9]{16}|local)_)?[a-fA-F0-9]{40}" + _END,
        "https://sourcegraph.com/docs/cli/how-tos/creating_an_access_token",
        apart=True,
    ),
    Rule(
        "openshift-user-token",
        "openshift-token",
        (b"sha256~",),
        rb"[A-Za-z0-9_-]{43}" + _END,
        "https://docs.openshift.com/container-platform/latest/authentication/managing-oauth-access-tokens.html",
    ),
)
"""Code hosting and CI."""

_PACKAGES = (
    Rule(
        "npm-access-token",
        "npm-token",
        (b"npm_",),
        rb"[A-Za-z0-9]{36}(?![A-Za-z0-9_])",
        "npm documentation: about access tokens",
    ),
    Rule(
        "pypi-upload-token",
        "pypi-token",
        (b"pypi-",),
        rb"A(?P<secret>gE[A-Za-z0-9_-]{50,1000})",
        "Warehouse documentation: integration guide",
    ),
    Rule("rubygems-api-token", "rubygems-key", (b"rubygems_",), rb"[a-f0-9]{48}", "RubyGems guides: API key scopes"),
    Rule(
        "clojars-api-token",
        "clojars-token",
        (b"CLOJARS_",),
        rb"[a-z0-9]{60}",
        "https://github.com/clojars/clojars-web/wiki/Deploy-Tokens",
    ),
    Rule("artifactory-api-key", "artifactory-token", (b"AKCp",), rb"[A-Za-z0-9]{69}" + _END, _JFROG, run=True),
    Rule("artifactory-reference-token", "artifactory-token", (b"cmVmd",), rb"[A-Za-z0-9]{59}" + _END, _JFROG, run=True),
    Rule(
        "docker-hub-token",
        "docker-token",
        (b"dckr_",),
        rb"[op](?P<secret>at_[A-Za-z0-9_-]{27,64})",
        "https://docs.docker.com/security/access-tokens/",
    ),
)
"""Package and image registries."""

_OPERATIONS = (
    Rule("vault-service-token", "vault-token", (b"hvs.",), rb"[A-Za-z0-9_-]{24,300}", _VAULT, apart=True),
    Rule("vault-batch-token", "vault-token", (b"hvb.",), rb"[A-Za-z0-9_-]{24,300}", _VAULT, apart=True),
    Rule("vault-recovery-token", "vault-token", (b"hvr.",), rb"[A-Za-z0-9_-]{24,300}", _VAULT, apart=True),
    Rule("hashicorp-tf-api-token", "terraform-token", (b".atlasv1.",), rb"[A-Za-z0-9_-]{60,70}" + _END, _TERRAFORM),
    Rule("pulumi-api-token", "pulumi-token", (b"pul-",), rb"[a-f0-9]{40}" + _END, _PULUMI, apart=True),
    Rule(
        "doppler-api-token",
        "doppler-token",
        (b"dp.pt.", b"dp.ct.", b"dp.sa.", b"dp.scim.", b"dp.audit."),
        rb"[A-Za-z0-9]{40,44}" + _END,
        _DOPPLER,
        apart=True,
    ),
    Rule(
        "doppler-service-token",
        "doppler-token",
        (b".",),
        rb"[A-Za-z0-9]{40,44}" + _END,
        _DOPPLER,
        judge=after(rb"(?<![A-Za-z0-9_-])dp\.st\.(?:[a-z0-9_-]{2,35}\.)?"),
        needs=40,
    ),
    Rule(
        "1password-service-account-token",
        "1password-token",
        (b"ops_",),
        rb"eyJ[A-Za-z0-9+/_-]{250,}",
        "https://developer.1password.com/docs/service-accounts/security/",
    ),
    Rule(
        "1password-secret-key",
        "1password-token",
        (b"A3-",),
        rb"[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})(?:-[A-Z0-9]{5}){3}" + _END,
        "https://support.1password.com/secret-key-security/",
        apart=True,
    ),
    Rule(
        "octopus-deploy-api-key",
        "octopus-key",
        (b"API-",),
        rb"[A-Z0-9]{26}" + _END,
        "https://octopus.com/docs/octopus-rest-api/how-to-create-an-api-key",
        apart=True,
    ),
    Rule(
        "prefect-api-token",
        "prefect-token",
        (b"pnu_",),
        rb"[A-Za-z0-9]{36}" + _END,
        "https://docs.prefect.io/v3/how-to-guides/cloud/manage-users/api-keys",
        apart=True,
    ),
    Rule(
        "infracost-api-token",
        "infracost-token",
        (b"ico-",),
        rb"[A-Za-z0-9]{32}" + _END,
        "https://www.infracost.io/docs/",
        apart=True,
    ),
    Rule(
        "harness-api-key",
        "harness-key",
        (b"pat.", b"sat."),
        rb"[A-Za-z0-9_-]{22}\.[A-Za-z0-9]{24}\.[A-Za-z0-9]{20}" + _END,
        "https://developer.harness.io/docs/platform/automation/api/add-and-manage-api-keys/",
        apart=True,
    ),
)
"""Secret management and deployment."""

TOKENS = _FORGES + _PACKAGES + _OPERATIONS
