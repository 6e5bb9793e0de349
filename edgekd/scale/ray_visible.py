"""Whether the nodes of a Ray cluster see the folders of the command: said before hours of work, not after."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

from edgekd.errors import UsageError

_NODE_S = 60


def find_blind_nodes(folder: Path, places: Sequence[Path]) -> None:
    """Have every node that does work read a new file of ``folder`` and look for ``places``.

    Raises: UsageError naming the nodes and what they do not see.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    token = secrets.token_hex(16)
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / f".visible-{token}"
    mark.write_text(token, encoding="utf-8")
    try:
        asked = {}
        for node in ray.nodes():
            if node["Alive"] and (node["Resources"].get("CPU") or node["Resources"].get("GPU")):
                on_node = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                remote = ray.remote(_missing).options(num_cpus=0, scheduling_strategy=on_node)
                asked[node["NodeManagerAddress"]] = remote.remote(str(mark), token, [str(place) for place in places])
        blind = {address: ray.get(answer, timeout=_NODE_S) for address, answer in asked.items()}
    finally:
        mark.unlink(missing_ok=True)
    lines = [f"{address} does not see {', '.join(missing)}" for address, missing in blind.items() if missing]
    if lines:
        raise UsageError(
            f"workers of Ray need the same folders: {'; '.join(lines)}. Mount them there under the same paths, or run "
            "without --ray"
        )


def _missing(mark: str, token: str, places: Sequence[str]) -> list[str]:
    """What this machine does not see: the folder of the mark, places."""
    try:
        sees_folder = Path(mark).read_text(encoding="utf-8") == token
    except OSError:
        sees_folder = False
    return [
        *([] if sees_folder else [str(Path(mark).parent)]),
        *(place for place in places if not Path(place).exists()),
    ]
