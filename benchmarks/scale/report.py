"""The benchmark's page."""

from __future__ import annotations

from typing import Any

_ROWS = (("local_small", "here"), ("ray_small", "two Ray nodes"), ("local", "here"), ("ray", "two Ray nodes"))
_PAPER, _PLANNED = 100_000_000, 200_000


def markdown(results: dict[str, Any], gpu: dict[str, Any] | None = None) -> str:
    """Every part that was measured, ``gpu`` by gpu.py, and what it extrapolates to."""
    machine = results["machine"]
    parts = [
        "# Past one machine",
        f"EfficientNet-Lite0 at {results['input_px']} px, one view a photo, on {machine['cpu_model']}, "
        f"{machine['cores']} cores. Both Ray nodes are of this machine, a core each.",
        _columns(results),
    ]
    if results.get("ray", results.get("local", {})).get("photos", 0) < _PLANNED:
        parts.append(f"A smaller run than the script's own, which has {_PLANNED:,} and {_PLANNED // 10:,} photos.")
    if "sweep" in results:
        one = results["sweep"]
        parts.append(
            f"**Sweep** of {one['students']} students, here ({one['local_s']:.0f} s) and as trials of Ray Tune "
            f"({one['ray_s']:.0f} s): the table is {'the same' if one['same_table'] else 'NOT the same'}, times aside, "
            f"and {one['same_files']} of {one['students']} int8 files are equal to the byte."
        )
    if "kills" in results:
        parts.append(_kills(results["kills"]))
    if "store" in results:
        one = results["store"]
        parts.append(
            f"**S3** (moto's server on loopback, 10 ms a request, {one['failed_requests']} of {one['requests']:,} "
            f"requests answered with 503): {one['photos']:,} photos, list and column there, "
            f"{one['photos'] / one['wall_s']:.0f} photos a second, {one['differing_shards']} shards differ from the "
            "local ones."
        )
    if gpu:
        parts.append(_gpu(gpu))
    if "local" in results:
        parts.append(_paper(results, gpu))
    return "\n\n".join(parts) + "\n"


def _columns(results: dict[str, Any]) -> str:
    lines = [
        "| photos | where | shards that differ | photos a second, working | from start to end "
        "| teacher's share of the work | of everything | largest worker | command |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for key, where in _ROWS:
        if key not in results:
            continue
        one = results[key]
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


def _gpu(gpu: dict[str, Any]) -> str:
    lines = [
        f"**One {gpu['device']}** beside {gpu['cores']} cores, the same photos, by Keras on JAX "
        "(`gpu.py`; float32, no TF32):",
        "",
        "| teacher's pixels | teacher alone, 16 a batch | 256 a batch | photos prepared, threads | 8 processes "
        "| soft targets, threads | 8 processes | teacher's share |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in gpu["teachers"]:
        column = {count: one[f"column, {count} processes"] for count in (0, 8)}
        prepared = {count: one["prepared"][f"{count} processes"] for count in (0, 8)}
        lines.append(
            f"| {one['input_px']} | {one['teacher']['16']:,} | {one['teacher']['256']:,} | {prepared[0]:,} "
            f"| {prepared[8]:,} | {column[0]['photos_a_second']:,} | {column[8]['photos_a_second']:,} "
            f"| {column[8]['teacher_share']:.0%} |"
        )
    same = all(one["same_bytes"] for one in gpu["teachers"])
    far = max(one.get("largest_difference", 0.0) for one in gpu["teachers"])
    lines += [
        "",
        f"Photos a second. Threads and processes give {'the same bytes' if same else 'DIFFERENT bytes'}; no logit is "
        f"further than {far} from the CPU's. Threads are held up by Python's lock, so a GPU's photos are read by "
        "processes. Batches of stored soft targets are of 16 photos everywhere, "
        "or their bytes would depend on who computed them; that, "
        "and the wait for a shard's first photos, is what a GPU loses.",
    ]
    return "\n".join(lines)


def _paper(results: dict[str, Any], gpu: dict[str, Any] | None) -> str:
    rate = results["local"]["photos"] / results["local"]["working_s"]
    hours = _PAPER / rate / 3600 * results["machine"]["cores"]
    full, top = _PAPER * 1000 * 2 / 1e12, _PAPER * 10 * (2 + 2) / 1e9
    return (
        f"**On paper: {_PAPER:,} photos**, one view, from the local way's {rate:.0f} photos a second on "
        f"{results['machine']['cores']} cores at {results['input_px']} px: {hours:,.0f} CPU-core hours, "
        f"{hours / 100:.1f} for a million; at 224 px about {(224 / results['input_px']) ** 2:.0f} times that "
        f"(a teacher's work grows with its pixels). {_gpu_hours(gpu)}Stored as float16: "
        f"{_PAPER * 3 * 2 / 1e9:.1f} GB for 3 classes, {full:.1f} TB for 1,000; the ten largest logits of a photo with "
        f"their numbers would be {top:.0f} GB in all, which edgekd does not write yet. {_PAPER // 256 + 1:,} shards: "
        "the column's list of files is one JSON of 8 MB, and looking which are there takes a request a thousand names. "
        f"{_pass(gpu)}"
    )


def _pass(gpu: dict[str, Any] | None) -> str:
    """What breaks first, of a GPU that waits for the eight threads of a training."""
    if not gpu:
        return ""
    slowest = min(one["prepared"]["0 processes"] for one in gpu["teachers"])
    return (
        f"What breaks first is a student's training, which reads its photos by threads, {slowest:,} a second: "
        f"{_PAPER / slowest / 3600:.0f} hours a pass, however fast the GPU is."
    )


def _gpu_hours(gpu: dict[str, Any] | None) -> str:
    if not gpu:
        return ""
    hours = [
        f"{_PAPER / one['column, 8 processes']['photos_a_second'] / 3600:.1f} GPU hours at {one['input_px']} px"
        for one in gpu["teachers"]
    ]
    return f"On the {gpu['device']} {' and '.join(hours)}. "
