from __future__ import annotations

import pytest

from imgforge.errors import UsageError
from imgforge.oci import document
from imgforge.oci.platform import Platform


@pytest.mark.parametrize("text", ["linux/amd64", "linux/arm/v7", "linux/arm64/v8", "linux/amd64/v3"])
def test_text_and_json_round_trip(text: str) -> None:
    platform = Platform.parse(text)
    assert str(platform) == text
    assert Platform.read(document.Node("it", platform.to_json())) == platform


@pytest.mark.parametrize("text", ["", "linux", "linux/", "/amd64", "Linux/amd64", "linux/amd64/v1/x", "linux/amd 64"])
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected os/architecture"):
        Platform.parse(text)


@pytest.mark.parametrize(
    ("wanted", "offered", "is_met"),
    [
        ("linux/amd64", "linux/amd64", True),
        ("linux/amd64", "linux/amd64/v1", True),
        ("linux/amd64", "linux/amd64/v3", False),
        ("linux/arm64", "linux/arm64/v8", True),
        ("linux/arm64/v8", "linux/arm64", True),
        ("linux/arm", "linux/arm/v7", True),
        ("linux/arm/v6", "linux/arm/v7", False),
        ("linux/amd64", "windows/amd64", False),
    ],
)
def test_a_missing_variant_means_the_usual_one(wanted: str, offered: str, *, is_met: bool) -> None:
    assert Platform.parse(wanted).is_met_by(Platform.parse(offered)) is is_met
