"""A Ray cluster of two nodes on this machine, one of which may be killed."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_PORT = 6399


class Node:
    """A ``ray start --block`` in a session of its own."""

    def __init__(self, arguments: list[str], environment: dict[str, str], log: Path) -> None:
        argv = [
            sys.executable,
            "-m",
            "ray.scripts.scripts",
            "start",
            "--block",
            "--disable-usage-stats",
            "--num-cpus=1",
            "--num-gpus=0",
        ]
        argv += ["--object-store-memory=150000000", *arguments]
        with log.open("a") as stream:
            self._process = subprocess.Popen(
                argv, env=environment, stdout=stream, stderr=stream, start_new_session=True
            )

    def kill(self) -> None:
        """SIGKILL to all of it at once, as where power fails."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """End it by SIGTERM, after 20 s by SIGKILL."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(20)
        self.kill()


class Cluster:
    """A head and a second node, a CPU each."""

    def __init__(self, work: Path, python_path: list[str]) -> None:
        self._log, token = work / "ray.log", work / "token"
        token.write_text(secrets.token_hex(32))
        self.environment = {
            **os.environ, "PYTHONPATH": os.pathsep.join(python_path), "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token),
        }  # fmt: skip
        self.address = f"127.0.0.1:{_PORT}"
        self.head = Node(
            ["--head", f"--port={_PORT}", "--node-ip-address=127.0.0.1", "--include-dashboard=false"],
            self.environment, self._log,
        )  # fmt: skip
        self._wait(1)
        self.second = self._join()

    def _join(self) -> Node:
        node = Node([f"--address={self.address}", "--node-ip-address=127.0.0.1"], self.environment, self._log)
        self._wait(2)
        return node

    def kill_second(self) -> None:
        """Kill the second node."""
        self.second.kill()

    def restart_second(self) -> None:
        """Start a second node again."""
        self.second = self._join()

    def close(self) -> None:
        """End both."""
        self.second.stop()
        self.head.stop()

    def _wait(self, nodes: int) -> None:
        code = (
            "import ray, sys, logging\n"
            f"ray.init('{self.address}', logging_level=logging.ERROR, log_to_driver=False)\n"
            "print(sum(node['Alive'] for node in ray.nodes()))"
        )
        output = ""
        for _ in range(20):
            done = subprocess.run([sys.executable, "-c", code], env=self.environment, capture_output=True, text=True)
            output = done.stdout.strip() or done.stderr[-500:]
            if done.returncode == 0 and int(done.stdout.split()[-1]) >= nodes:
                return
            time.sleep(1)
        raise RuntimeError(f"the cluster did not reach {nodes} nodes: {output}; see {self._log}")


@contextlib.contextmanager
def cluster(work: Path, python_path: list[str]) -> Iterator[Cluster]:
    """Two nodes for the time of a block."""
    nodes = Cluster(work, python_path)
    try:
        yield nodes
    finally:
        nodes.close()
