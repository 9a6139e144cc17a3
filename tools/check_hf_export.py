#!/usr/bin/env python3
"""Loads a plain Llama that lckv exported with the Transformers library and compares numbers.

    python3 -m venv hf && hf/bin/pip install torch transformers safetensors h5py protobuf
    build/lckv export runs/llama -o out --dtype fp32
    hf/bin/python tools/check_hf_export.py out --store validation.h5 --max-tokens 20000

The golden logits (float64, made with the public reference), by way of an import:

    mkdir g && cp tests/golden/weights_a.safetensors g/model.safetensors
    hf/bin/python tools/check_hf_export.py --golden-config tests/golden/case_a_llama.safetensors > g/config.json
    build/lckv import g -o llama_a --layer-types 0_1_2_3_4_5_6_7
    hf/bin/python tools/check_hf_export.py llama_a --golden tests/golden/case_a_llama.safetensors

Looks at: every .safetensors file opens with the safetensors library and says format pt; the index names exactly the
tensors of the files; Transformers finds no tensor missing, left over or of another shape; the loss of `lckv eval
--precision fp32` on a token store equals its own in fp32; its logits equal the golden ones. Ends with 1 when one does not hold.
"""

import argparse
import json
import math
import pathlib
import subprocess
import sys
import tempfile

from safetensors import safe_open


def check(holds, text):
    print(("holds    " if holds else "FAILS    ") + text)
    return holds


def golden_config(path):
    """The config of a golden case as config.json of a plain Llama."""
    with safe_open(path, "pt") as file:
        config = json.loads(file.metadata()["config"])
    lckv_fields = ("layer_types", "forward_passes", "backward_passes", "sliding_window", "force_nodiag", "use_sequential")
    config = {key: value for key, value in config.items() if key not in lckv_fields}
    return {**config, "model_type": "llama", "architectures": ["LlamaForCausalLM"]}


def check_files(folder):
    place, data_bytes, pt = {}, 0, True
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            pt = pt and file.metadata() == {"format": "pt"}
            for name in file.keys():
                place[name] = path.name
                tensor = file.get_tensor(name)
                data_bytes += tensor.numel() * tensor.element_size()
    files = len(set(place.values()))
    holds = check(pt and files > 0, f"safetensors opens {files} files with {len(place)} tensors, format pt")
    index = folder / "model.safetensors.index.json"
    if index.exists():
        content = json.loads(index.read_text())
        holds &= check(content["weight_map"] == place, "the index names these tensors in these files")
        total = content["metadata"]["total_size"]
        holds &= check(total == data_bytes, f"total_size {total} = bytes of data {data_bytes}")
    return holds


def load(folder):
    import torch
    import transformers

    torch.set_grad_enabled(False)
    model, info = transformers.LlamaForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    wrong = {key: value for key, value in info.items() if value}
    holds = check(not wrong, f"Transformers {transformers.__version__} loads it{f', but: {wrong}' if wrong else ''}")
    return model.eval(), holds


def logit_bound(model):
    """Half an eps of fp32 times the root of the roundings on the longest path, and an allowance of 8."""
    return 8 * 2**-24 * math.sqrt(len(model.model.layers) * 7 * model.config.intermediate_size)


def lckv_loss(args, folder):
    with tempfile.TemporaryDirectory() as temporary:
        result = pathlib.Path(temporary) / "result.json"
        command = [args.lckv, "eval", folder, "--perplexity", args.store, "--precision", "fp32"]
        command += ["--sequence-tokens", str(args.sequence_tokens), "--json", str(result)]
        if args.max_tokens:
            command += ["--max-tokens", str(args.max_tokens)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return json.loads(result.read_text())


def check_loss(args, folder, model):
    """Sequence s: inputs are the T tokens from s*T on, targets the T tokens one further."""
    import h5py
    import torch

    ours = lckv_loss(args, folder)
    T = args.sequence_tokens
    with h5py.File(args.store) as store:
        tokens = torch.from_numpy(store["tokens"][: ours["scored_tokens"] + 1].astype("int64"))
    total = 0.0
    for begin in range(0, ours["scored_tokens"], T):
        block = tokens[begin : begin + T + 1]
        logits = model(block[None, :-1]).logits[0]
        total += torch.nn.functional.cross_entropy(logits.double(), block[1:], reduction="sum").item()
    theirs = total / ours["scored_tokens"]
    difference = abs(ours["loss"] - theirs) / theirs
    # Rounding errors of the tokens are independent of each other: their mean has the root of their number less.
    bound = logit_bound(model) / math.sqrt(ours["scored_tokens"])
    return check(
        difference <= bound,
        f"loss over {ours['scored_tokens']} tokens: lckv {ours['loss']:.9f}, Transformers {theirs:.9f}, "
        f"relative difference {difference:.1e} (bound {bound:.1e})",
    )


def check_golden(path, model):
    import torch

    with safe_open(path, "pt") as file:
        tokens, expected = file.get_tensor("tokens"), file.get_tensor("logits")
    logits = model(tokens).logits.double()
    difference = ((logits - expected).abs().max() / expected.abs().max()).item()
    bound = logit_bound(model)
    shape = list(expected.shape)
    return check(
        difference <= bound,
        f"logits {shape} of {pathlib.Path(path).name}: largest difference {difference:.1e} of the largest (bound {bound:.1e})",
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--store", help="token store to score")
    parser.add_argument("--lckv", default="build/lckv")
    parser.add_argument("--sequence-tokens", type=int, default=128)
    parser.add_argument("--max-tokens", type=int, default=0)
    parser.add_argument("--golden", help="golden case whose logits the folder's model must give")
    parser.add_argument("--golden-config", help="print the config.json of a golden case and end")
    args = parser.parse_args()
    if args.golden_config:
        print(json.dumps(golden_config(args.golden_config), indent=2))
        return 0
    if not args.folder:
        parser.error("name a folder")
    holds = check_files(pathlib.Path(args.folder))
    model, loads = load(args.folder)
    holds &= loads
    if args.store:
        holds &= check_loss(args, args.folder, model)
    if args.golden:
        holds &= check_golden(args.golden, model)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
