"""Android's own words, as phones of several makers and versions print them."""

from __future__ import annotations

import pytest

from edgekd.devices import adb_facts, open_device
from edgekd.errors import UsageError

# An Nvidia Shield under load: what was cached is old, what the hardware says is now.
SHIELD = """IsStatusOverride: false
Thermal Status: 3
Cached temperatures:
        Temperature{mValue=36.0, mType=1, mName=GPU, mStatus=0}
        Temperature{mValue=37.0, mType=0, mName=CPU0, mStatus=0}
HAL Ready: true
HAL connection:
        ThermalHAL 1.1 connected: yes
Current temperatures from HAL:
        Temperature{mValue=66.0, mType=0, mName=CPU0, mStatus=0}
        Temperature{mValue=66.5, mType=0, mName=CPU1, mStatus=0}
        Temperature{mValue=70.0, mType=1, mName=GPU, mStatus=0}
Current cooling devices from HAL:
        CoolingDevice{mValue=128, mType=0, mName=fan}
"""
NO_HAL = "IsStatusOverride: false\nThermal Status: 0\nCached temperatures:\nHAL Ready: false\n"
OLD_HAL = """Thermal Status: 1
Cached temperatures:
\tTemperature{mValue=39.5, mType=0, mName=mtktscpu, mStatus=0}
\tTemperature{mValue=NaN, mType=0, mName=x, mStatus=0}
HAL Ready: true
Current temperatures from HAL:
Current cooling devices from HAL:
"""


@pytest.mark.parametrize(
    ("text", "status", "throttled", "degrees"),
    [(SHIELD, 3, True, 66.5), (NO_HAL, 0, False, None), (OLD_HAL, 1, False, 39.5), ("", None, None, None)],
)
def test_thermal_service(text: str, status: int | None, throttled: bool | None, degrees: float | None) -> None:
    facts = adb_facts.parse_thermal(text)
    assert (facts["thermal_status"], facts["throttled_now"], facts["temperature_c"]) == (status, throttled, degrees)
    assert facts["throttling"] == {3: ["thermal status severe"], None: None}.get(status, [])


def test_windows_line_ends_of_old_shells() -> None:
    assert adb_facts.parse_thermal(SHIELD.replace("\n", "\r\n"))["thermal_status"] == 3


def test_battery() -> None:
    on_battery = "Current Battery Service state:\n  AC powered: false\n  USB powered: false\n  level: 43\n  scale: 50\n"
    assert adb_facts.parse_battery(on_battery + "  temperature: -21\n") == {
        "battery_percent": 86,
        "battery_temperature_c": -2.1,
        "charging": False,
    }
    assert set(adb_facts.parse_battery("Can't find service: battery\n").values()) == {None}


def test_properties() -> None:
    text = "M ro.product.manufacturer\nsamsung\nM ro.product.model\nSM-G991B\nM ro.product.cpu.abilist\narm64-v8a\n"
    facts = adb_facts.parse(text, "M")
    assert (facts["board"], facts["abis"], facts["os"]) == ("samsung SM-G991B", ["arm64-v8a"], None)
    text = "M ro.product.manufacturer\nnothing\nM ro.product.model\nNothing A063\nM ro.build.version.release\n13\n"
    assert adb_facts.parse(text, "M")["board"] == "Nothing A063"
    assert set(adb_facts.parse("", "M").values()) == {None}


def test_the_chip_its_system_and_its_saver() -> None:
    text = "M ro.soc.manufacturer\nQTI\nM ro.soc.model\nSM8550\nM ro.board.platform\nkalama\n"
    text += "M page\n4096\nM low_power\n1\n"
    facts = adb_facts.parse(text + "M ro.build.fingerprint\nsamsung/dm1q/dm1q:14/UP1A/S911BXX:user/release-keys\n", "M")
    assert (facts["soc"], facts["page_size_bytes"], facts["power_save"]) == ("QTI SM8550", 4096, True)
    assert facts["build"] == "samsung/dm1q/dm1q:14/UP1A/S911BXX:user/release-keys"
    older = adb_facts.parse("M ro.soc.model\n\nM ro.board.platform\nsdm845\nM page\n\nM low_power\nnull\n", "M")
    assert (older["soc"], older["page_size_bytes"], older["power_save"]) == ("sdm845", None, None)


@pytest.mark.parametrize(
    "address", ["adb:", "adb:-s", "adb:a b", "adb:$(id)", "adb:a\nb", "adb:x;y", "adb:" + "x" * 200]
)
def test_an_address_without_a_serial_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match=r"write adb:SERIAL, as adb devices shows it"):
        open_device(address)


@pytest.mark.parametrize("serial", ["emulator-5554", "192.168.1.5:5555", "R58M123", "[fe80::1%wlan0]:5555"])
def test_serials_as_adb_prints_them(serial: str) -> None:
    assert open_device(f"adb:{serial}").address == f"adb:{serial}"
