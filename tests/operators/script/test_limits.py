"""A script that wants more than its `resources` ends alone, at once, and its failure says what it wanted."""

import sys
import time
from pathlib import Path

import pytest

from somagent.capsule_compiler.model.quantities import millicores, size_bytes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has these limits")

EATER = """
held = []
while True:
    held.append(bytearray(b"x" * 1_000_000))
"""
SHARED = """
import os, time
held = bytearray(b"x" * 60_000_000)
for _ in range(4):
    if not os.fork():
        time.sleep(0.4)
        os._exit(0)
for _ in range(4):
    os.wait()
"""


def test_a_script_that_eats_memory_without_end_is_ended_with_its_own_class(script):
    failure = script.failure(EATER, shell="python", resources={"memory": "100Mi"})
    refused = "exit code 1: MemoryError (it may use 100Mi of memory)"  # on a busy machine the kernel's limit is quicker
    assert failure.failure_class == "resources"
    assert failure.message in {"it used more than 100Mi of memory and was ended", refused}


def test_the_memory_of_all_processes_counts_together(script, alive):
    text = "for i in 1 2 3 4; do python3 -c 'x = b\"x\" * 40_000_000; import time; time.sleep(30)' & done; sleep 30"
    failure = script.failure(text, resources={"memory": "100Mi"})
    assert failure.message == "it used more than 100Mi of memory and was ended"
    assert alive(str(script.root)) == []


def test_memory_that_processes_share_counts_once(script):
    assert script(SHARED, shell="python", resources={"memory": "150Mi"}) == {}


def test_a_program_that_is_refused_memory_and_says_so_has_met_its_limit(script):
    failure = script.failure("held = bytearray(4 << 30)", shell="python", resources={"memory": "100Mi"})
    assert failure.failure_class == "resources"
    assert failure.message == "exit code 1: MemoryError (it may use 100Mi of memory)"


def test_a_script_with_too_many_processes_is_ended_with_all_of_them(script, alive):
    started = time.monotonic()
    failure = script.failure("for i in $(seq 40); do sleep 30 & done; wait", resources={"processes": 20})
    assert (failure.failure_class, failure.message) == ("resources", "it used more than 20 processes and was ended")
    assert alive(str(script.root)) == []
    assert time.monotonic() - started < 5


def test_threads_count_as_processes(script):
    text = (
        "import threading, time\nfor _ in range(9): threading.Thread(target=time.sleep, args=[9], daemon=True).start()"
    )
    failure = script.failure(f"{text}\ntime.sleep(9)", shell="python", resources={"processes": 8})
    assert failure.message == "it used more than 8 processes and was ended"


def test_a_huge_file_is_not_written(script):
    limit = {"fileSize": "1Mi"}
    failure = script.failure("head -c 1G /dev/zero > big", resources=limit)
    assert (failure.failure_class, failure.message) == ("resources", "it wrote a file of more than 1Mi and was ended")
    assert (script.root / "attempt" / "work" / "big").stat().st_size == 1 << 20
    failure = script.failure("open('big', 'wb').write(bytes(2 << 20))", shell="python", resources=limit)
    assert failure.failure_class == "resources"
    assert failure.message == "exit code 1: OSError: [Errno 27] File too large (a file that it writes may have 1Mi)"


def test_a_script_gets_as_many_cores_as_its_limit_needs(script):
    script("nproc", resources={"cpu": "500m"})
    assert script.log == "1\n"


def test_a_script_within_its_limits_ends_as_without_them(script):
    limits = {"memory": "1Gi", "cpu": "2", "fileSize": "1Gi", "processes": 50}
    assert script("echo n=1 >> $SOMAGENT_OUTPUT; cat; echo $#", resources=limits) == {"n": "1"}
    assert script.log == "0\n"
    assert script.failure("exit 3", resources=limits).message == "exit code 3"


def test_when_memory_runs_out_scripts_end_before_the_engine(script):
    before = Path("/proc/self/oom_score_adj").read_text()
    script("bash -c 'sleep 0.4; read x < /proc/self/oom_score_adj; echo $x'; cat /proc/self/oom_score_adj")
    assert script.log == "1000\n1000\n"
    script("cat /proc/self/oom_score_adj", resources={"memory": "1Gi"})
    assert script.log.endswith("1000\n")
    assert Path("/proc/self/oom_score_adj").read_text() == before


def test_quantities_are_those_of_kubernetes():
    assert [size_bytes(text) for text in ("512Mi", "1.5Gi", "1Ki", "2Ti")] == [512 << 20, 3 << 29, 1 << 10, 2 << 40]
    assert [millicores(text) for text in ("500m", "2", "0.5", "1.25", "0.005")] == [500, 2000, 500, 1250, 5]
    for text in ("512M", "512m", "0Mi", "1e3Mi", "", "Mi", "-1Mi"):
        with pytest.raises(ValueError, match="is not a size"):
            size_bytes(text)
    for text in ("0", "0m", "0.0", "1.0005", "m", "1.5m", ""):
        with pytest.raises(ValueError, match="is not a number of cores"):
            millicores(text)
