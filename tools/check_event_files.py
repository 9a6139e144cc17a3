#!/usr/bin/env python3
"""Compares what TensorBoard's own reader makes of a run's event files with the run's metrics.jsonl and config.yaml.

usage: tools/check_event_files.py RUN...     needs tensorboard from PyPI; nothing of lckv does

Every frame's checksums are looked at first. Prints a line per run; exit 1 when anything is not as src/train/METRICS.md says.
"""

import json
import math
import pathlib
import struct
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

CRC_TABLE = []
for index in range(256):
    for _ in range(8):
        index = index >> 1 ^ (0x82F63B78 if index & 1 else 0)
    CRC_TABLE.append(index)


def masked_crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return (crc >> 15 | crc << 17) + 0xA282EAD8 & 0xFFFFFFFF


def check_frames(path, problems):
    """The number of whole records. TensorBoard's reader ends at a damaged one without a word."""
    data, at, records = path.read_bytes(), 0, 0
    while at < len(data):
        if len(data) - at < 12:
            print(f"{path}: the last record is cut off: the run was killed, or the disk full", file=sys.stderr)
            break
        size, crc_of_size = struct.unpack_from("<QI", data, at)
        if crc_of_size != masked_crc32c(data[at : at + 8]):
            problems.append(f"{path}: record {records}: wrong checksum of the length, byte {at}")
            break
        if len(data) - at - 16 < size:
            print(f"{path}: the last record is cut off: the run was killed, or the disk full", file=sys.stderr)
            break
        (crc_of_record,) = struct.unpack_from("<I", data, at + 12 + size)
        if crc_of_record != masked_crc32c(data[at + 12 : at + 12 + size]):
            problems.append(f"{path}: record {records}: wrong checksum, byte {at + 12}")
            break
        at += 16 + size
        records += 1
    return records


def metrics_of(run):
    """name -> step -> value"""
    curves = {}
    for line in (run / "metrics.jsonl").read_text().splitlines():
        row = json.loads(line)
        for name, value in row.items():
            if name != "step":
                curves.setdefault(name, {})[row["step"]] = value
    return curves


def as_float32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def is_same(value, shown):
    if shown is None:
        return False
    return not math.isfinite(shown) if value is None else as_float32(value) == shown


def check_scalars(run, reader, problems):
    """The number of points."""
    expected = metrics_of(run)
    shown = {tag: {e.step: e.value for e in reader.Scalars(tag)} for tag in reader.Tags()["scalars"]}
    for name, curve in expected.items():
        for step, value in curve.items():
            told = shown.get(name, {}).get(step)
            if not is_same(value, told):
                problems.append(f"{name} at step {step}: metrics.jsonl has {value}, TensorBoard {told}")
    for tag, curve in shown.items():
        for step in curve.keys() - expected.get(tag, {}).keys():
            problems.append(f"{tag} at step {step}: TensorBoard alone has it")
    return sum(len(curve) for curve in expected.values())


def check_config(run, reader, problems):
    if "config" not in reader.Tags()["tensors"]:
        problems.append("no text config")
        return
    text = reader.Tensors("config")[-1].tensor_proto.string_val[0].decode()
    if text != f"```yaml\n{(run / 'config.yaml').read_text()}```\n":
        problems.append("the text config is not config.yaml")


def check_histograms(reader, problems):
    tags = reader.Tags()["histograms"]
    for tag in tags:
        for event in reader.Histograms(tag):
            histogram = event.histogram_value
            if sum(histogram.bucket) != histogram.num or len(histogram.bucket) != len(histogram.bucket_limit):
                problems.append(f"{tag} at step {event.step}: buckets do not hold all {histogram.num} values")
            if list(histogram.bucket_limit) != sorted(histogram.bucket_limit):
                problems.append(f"{tag} at step {event.step}: limits do not rise")
    return len(tags)


def check(run):
    folder, problems = run / "tensorboard", []
    paths = sorted(folder.glob("events.out.tfevents.*"))
    if not paths:
        return [f"{folder}: no event files"]
    records = sum(check_frames(path, problems) for path in paths)
    reader = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0, "histograms": 0})
    reader.Reload()
    points = check_scalars(run, reader, problems)
    check_config(run, reader, problems)
    histograms = check_histograms(reader, problems)
    curves = len(reader.Tags()["scalars"])
    print(
        f"{run}: {len(paths)} files, {records} records; {curves} curves with {points} points of metrics.jsonl, "
        f"{histograms} series of histograms; {len(problems)} problems"
    )
    return problems


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    problems = [problem for run in sys.argv[1:] for problem in check(pathlib.Path(run))]
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
