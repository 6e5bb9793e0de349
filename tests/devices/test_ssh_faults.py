"""What can go wrong with a machine behind ssh: one clear error each, and nothing left there.

sshd killed, a full disk and more in the middle of a measurement: tests/integration/test_device_faults.py.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from simulators.pi import SITE_PACKAGES, Pi, free_port

from edgekd.devices import open_device
from edgekd.errors import DeviceError, DeviceNotFound, DeviceTimeout


def refused(pi: Pi, **changed: str) -> str:
    """The message where no connection can be made."""
    pi.write_config(**changed)
    with pytest.raises(DeviceNotFound) as caught:
        open_device(pi.address).run(["true"], 60)
    assert caught.value.address == "ssh:pi" and caught.value.exit_code == 4
    return str(caught.value)


def test_no_such_host(pi: Pi) -> None:
    assert refused(pi, HostName="no-such-host.invalid") == (
        "ssh:pi: no machine is known as pi. Check the name, or add a Host for it to your ssh config"
    )


def test_nobody_listens(pi: Pi) -> None:
    assert "nothing listens for ssh. Check the port, and switch ssh on there" in refused(pi, Port=str(free_port()))


def test_wrong_key(pi: Pi) -> None:
    message = refused(pi, IdentityFile=str(pi.state / "other_key"))
    assert message == (
        "ssh:pi: it refuses the login, and edgekd cannot type a password. Let it know your key (ssh-copy-id), "
        f"until this asks nothing: ssh -F {pi.config} pi"
    )


def test_host_key_unknown_or_changed(pi: Pi) -> None:
    assert "its host key is not known here. Log in once by hand" in refused(pi, UserKnownHostsFile="/dev/null")
    changed = pi.write_known_hosts("changed_hosts", "other_key")
    assert "its host key has changed. If pi was installed anew" in refused(pi, UserKnownHostsFile=str(changed))


def test_broken_config(pi: Pi) -> None:
    message = refused(pi, NoSuchOption="yes")
    assert message.startswith("ssh:pi: ssh cannot use its configuration (") and "Correct it" in message


def test_connection_lost_and_back_before_the_end(pi: Pi) -> None:
    device = open_device(pi.address)
    with device.workspace():
        pi.kill_sshd()
        pi.start()
        assert device.run(["echo", "again"], 60).stdout == "again\n"
    assert pi.left() == []


def test_no_permission(pi: Pi, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    device = open_device(pi.address)
    pi.home.chmod(0o555)
    with pytest.raises(DeviceError, match=r"cannot push f to /root/f: permission denied. Check whose folder it is"):
        device.push(tmp_path / "f", "/root/f")
    pi.tmp.chmod(0o555)
    try:
        with pytest.raises(DeviceError, match=r"cannot make a workspace .*: permission denied"), device.workspace():
            pass
    finally:
        pi.tmp.chmod(0o755)


def test_no_python_and_no_runtime(pi: Pi) -> None:
    pi.settings(emptied=(SITE_PACKAGES,))
    device = open_device(pi.address)
    with pytest.raises(DeviceError, match=r"its Python has no numpy. .*: edgekd devices setup ssh:pi$"):
        device.run([device.python, "-c", "import numpy"], 60)
    pi.settings(hidden=("/usr/bin/python3", "/usr/bin/python3.11"))
    device = open_device(pi.address)
    with pytest.raises(DeviceError, match=r"it has no python3. .* edgekd devices setup ssh:pi$"):
        _ = device.python
    facts = device.facts()
    assert facts["python"] is None and facts["runtimes"] == {} and facts["board"].startswith("Raspberry Pi 5")


def test_output_without_end(pi: Pi) -> None:
    with pytest.raises(DeviceError, match=r"cat wrote more than 16 MiB of output and was killed"):
        open_device(pi.address).run(["cat", "/dev/zero"], 60)
    pi.wait(lambda: pi.processes() == [])


def test_an_ssh_that_is_a_wrapper_with_children(pi: Pi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its child holds the pipes open when ssh has ended, and outlives a wrapper that is killed alone."""
    monkeypatch.setattr("edgekd.devices.ssh_client._GRACE_S", 2.0)
    device = open_device(pi.address)
    assert device.run(["echo", "connected"], 60).stdout == "connected\n"
    wrapper = tmp_path / "bin" / "ssh"
    wrapper.parent.mkdir()
    child = 'case "$*" in *" -T "*) sleep 300 & echo $! > "${0%/*}/pid"; "$real" "$@"; wait; exit;; esac'
    wrapper.write_text(f'#!/bin/sh\nreal={shutil.which("ssh")}\n{child}\nexec "$real" "$@"\n')
    wrapper.chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(wrapper.parent), prepend=os.pathsep)
        begin = time.monotonic()
        with pytest.raises(DeviceTimeout, match="echo did not end within 10 s"):
            device.run(["echo", "hello"], 10)
        assert time.monotonic() - begin < 25
    assert not Path(f"/proc/{(wrapper.parent / 'pid').read_text().strip()}/exe").exists()


def test_hostile_answers(pi: Pi) -> None:
    pi.command("uname", "#!/bin/sh\nprintf '\\033[2Jroot \\033]0;x\\007'\n")
    pi.command("nproc", "#!/bin/sh\necho 99999999999999999999\n")
    pi.command("df", "#!/bin/sh\necho; echo 'x 1 1 -7 1% /'\n")
    pi.command("vcgencmd", "#!/bin/sh\nwhile :; do echo throttled=0xffffffffffffff; done | head -n 99999\n")
    pi.command("python3", '#!/bin/sh\necho \'{"edgekd": 1, "runtimes": [[[["\'\n')
    facts = open_device(pi.address).facts()
    assert facts["kernel"] == r"\x1b[2Jroot" and facts["disk_free_bytes"] is None
    assert facts["cores"] == 4 and facts["throttled_now"] is None
    assert facts["python"] is None and facts["runtimes"] == {}


def test_a_machine_that_runs_no_commands(pi: Pi) -> None:
    pi.command("sh", "#!/bin/bash\necho This account is closed\nexit 1\n")
    device = open_device(pi.address)
    with pytest.raises(DeviceError, match=r"true was cut off there, but the connection is up"):
        device.run(["true"], 60)
    with pytest.raises(DeviceError, match=r"cannot make a workspace .*: This account is closed"), device.workspace():
        pass
