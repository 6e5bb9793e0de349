from __future__ import annotations

import pytest

from edgekd.devices import list_devices, open_device
from edgekd.errors import UsageError


def test_host_opens_and_is_listed() -> None:
    assert open_device("host").address == "host"
    assert list_devices()[0].address == "host"


@pytest.mark.parametrize(
    ("address", "message"),
    [("hots", "'host'"), ("sssh:pi@pi5", "'ssh:pi@pi5'"), ("ADB:1", "'adb:SERIAL'"), ("", "one of: host, ssh:pi@pi5")],
)
def test_unknown_scheme_names_the_nearest(address: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_device(address)


def test_host_takes_no_argument() -> None:
    with pytest.raises(UsageError, match="Write: host"):
        open_device("host:1")
