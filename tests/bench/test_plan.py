from __future__ import annotations

import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from edgekd.bench.plan import BenchPlan


def test_the_delegate_that_android_dropped_is_answered_with_what_to_use() -> None:
    with pytest.raises(ValidationError, match=r'"nnapi" is gone: .*Use "xnnpack", "gpu" or "none"'):
        BenchPlan.model_validate({"delegate": "nnapi"})
    from edgekd.cli.bench_command import command

    done = CliRunner().invoke(command, ["student.tflite", "--delegate", "nnapi"])
    assert done.exit_code == 2
    assert '"nnapi" is gone' in " ".join(done.output.split())
