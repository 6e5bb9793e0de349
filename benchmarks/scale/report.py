"""The benchmark's page."""

from __future__ import annotations

from typing import Any

_ROWS = (("local_small", "here"), ("ray_small", "two Ray nodes"), ("local", "here"), ("ray", "two Ray nodes"))
_PAPER, _PLANNED = 100_000_000, 200_000


def markdown(told: dict[str, Any]) -> str:
    """Every part that was measured, and what follows from it on paper."""
    machine = told["machine"]
    parts = [
        "# Past one machine",
        f"EfficientNet-Lite0 at {told['input_px']} px, one view a photo, on {machine['cpu_model']}, {machine['cores']} "
        "cores that other work shared. Both Ray nodes are of this machine.",
        _columns(told),
    ]
    if told.get("ray", told.get("local", {})).get("photos", 0) < _PLANNED:
        parts.append(
            f"The script's own sizes are {_PLANNED:,} and {_PLANNED // 10:,} photos; these are smaller, because other "
            "work had the machine. What a process holds can be compared over a factor of ten all the same."
        )
    if "sweep" in told:
        one = told["sweep"]
        parts.append(
            f"**Sweep** of {one['students']} students, here ({one['local_s']:.0f} s) and as trials of Ray Tune "
            f"({one['ray_s']:.0f} s): the table is {'the same' if one['same_table'] else 'NOT the same'}, times aside, "
            f"and {one['same_files']} of {one['students']} int8 files are equal to the byte."
        )
    if "kills" in told:
        parts.append(_kills(told["kills"]))
    if "store" in told:
        one = told["store"]
        parts.append(
            f"**S3** (moto's server on loopback, 10 ms a request, {one['failed_requests']} of {one['requests']:,} "
            f"requests answered with 503): {one['photos']:,} photos, list and column there, "
            f"{one['photos'] / one['wall_s']:.0f} photos a second, {one['differing_shards']} shards differ from the "
            "local column's."
        )
    if "local" in told:
        parts.append(_paper(told))
    return "\n\n".join(parts) + "\n"


def _columns(told: dict[str, Any]) -> str:
    lines = [
        "| photos | where | shards that differ | photos a second, working | from start to end "
        "| teacher's share of the work | of everything | largest worker | command |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for key, where in _ROWS:
        if key not in told:
            continue
        one = told[key]
        differ = "–" if one["differing_shards"] is None else str(one["differing_shards"])
        busy = one["teacher_s"] / (one["wall_s"] * one["workers"])
        lines.append(
            f"| {one['photos']:,} | {where} | {differ} | {one['photos'] / one['working_s']:.0f} "
            f"| {one['photos'] / one['wall_s']:.0f} | {one['teacher_s'] / one['seconds']:.0%} | {busy:.0%} "
            f"| {one['worker_rss'] / 1e6:.0f} MB | {one['rss'] / 1e6:.0f} MB |"
        )
    return "\n".join(lines)


def _kills(rounds: list[dict[str, Any]]) -> str:
    lines = [
        "| kill of a node | shards | done before | begun more than once | computed twice | shards that differ |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for number, one in enumerate(rounds, 1):
        lines.append(
            f"| {number} | {one['shards']} | {one['killed_after']} | {one['lost_or_twice']} | {one['computed_twice']} "
            f"| {one['differing_shards']} |"
        )
    twice = max(one["lost_or_twice"] for one in rounds)
    lines += [
        "",
        "SIGKILL to all of the second node at a random moment, each node having a worker; a shard begun more than "
        f"once was lost with it and done again by another: at most {twice}. Where none was, its worker was between "
        "shards or still loading the teacher.",
    ]
    return "\n".join(lines)


def _paper(told: dict[str, Any]) -> str:
    rate = told["local"]["photos"] / told["local"]["working_s"]
    hours = _PAPER / rate / 3600 * told["machine"]["cores"]
    full, top = _PAPER * 1000 * 2 / 1e12, _PAPER * 10 * (2 + 2) / 1e9
    return (
        f"**On paper: {_PAPER:,} photos**, one view, from the local way's {rate:.0f} photos a second on "
        f"{told['machine']['cores']} shared cores at {told['input_px']} px: {hours:,.0f} CPU-core hours, "
        f"{hours / 100:.1f} for a million; at 224 px about {(224 / told['input_px']) ** 2:.0f} times that (a teacher's "
        "work grows with its pixels). No GPU was measured. Stored as float16: "
        f"{_PAPER * 3 * 2 / 1e9:.1f} GB for 3 classes, {full:.1f} TB for 1,000; the ten largest logits of a photo with "
        f"their numbers would be {top:.0f} GB in all, which edgekd does not write yet. {_PAPER // 256 + 1:,} shards: "
        "the column's list of files is one JSON of 8 MB, and opening all of them as memory maps passes Linux's default "
        "of 65,530 maps. That breaks first, at 16.7 million photos, where a column is opened for training; then a "
        "listing of the shards that are there (one request a thousand names)."
    )
