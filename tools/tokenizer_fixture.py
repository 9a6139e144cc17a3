#!/usr/bin/env python3
"""Makes the tokenizers and the expected ids in tests/data/tokenizers with the tokenizers library.

Needs `pip install tokenizers` (made with 0.23.3); the tests need neither it nor Python.
"""
import argparse
import json
import pathlib
import random

from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers,
                        processors, trainers)

REPO = pathlib.Path(__file__).resolve().parent.parent
FOLDER = REPO / "tests" / "data" / "tokenizers"

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
CASED = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}{1,3}"
         r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")

WORDS = """the The THE cat's it'S IT'LL we've I'm you're don't he'd 'tis ſ 'ſ o'clock naïve größe STRASSE straße
日本語 東京都 한국어 Привет мир שלום العربية नमस्ते ภาษาไทย ελληνικά 👩‍👩‍👧 🇩🇪 👍🏽 🤖 ½ ² Ⅷ ٣٤٥ १२३ 12345 3.14 1,000 0x1F
<s> </s> <unk> <|end|> <|endoftext|> <pad> <mask> <mask><mask> word nonword sword word. <0x41> <0x0A>
foo_bar CamelCase snake_case http://example.org/a?b=c&d=%20 user@host.net C++ #include {} [] () ;; :: -> => != ... --- """.split()
BLANKS = [" ", "  ", "   ", "       ", "\n", "\n\n", "\r\n", "\t", "\t\t", " \n", "\n ", "\u00a0", "\u2003", "\u3000",
          "\u180e", "\u2028", "\u0085", "\x0b", "\x0c", "▁", "▁▁", " ▁", ""]
ODD = ["\x00", "\x01", "\x1b", "\x7f", "\u00ad", "\u200b", "\u200d", "\ufeff", "\ufffd", "e\u0301", "\u0301", "ﬁ", "ﬆ", "ẞ", "İ",
       "\U0001F469", "\U0002A6DF", "\U00031350", "\U000105C0", "\U00016D40", "\U0010FFFF", "\u0378", "\u1c89", "𝒳", "ǅ", "ª", "〇"]


def odd_strings(seed, count):
    draw = random.Random(seed)
    strings = ["", " ", "a", " a", "a ", "  a  ", "\n", "\n\na", "a\n\n\nb", "▁", "▁a", " ▁a", "''", "'s's", "\r\n\r\n",
               "<s>", "<s> <s>", " <mask> ", "x<mask>y", "<mask> \n <mask>", "word", "a word b", "swords", "word\u0301",
               "  <|end|>  \n", "<|end", "<|end|><|endoftext|>", " " * 200, "\n" * 100 + "x", "ab" * 300]
    # Words of several hundred units.
    strings += ["".join(draw.choice("etaoinshrdlu日本é_0") for _ in range(length)) for length in (65, 150, 700)]
    strings += [" ".join(draw.choice(WORDS) for _ in range(150)) for _ in range(3)]
    while len(strings) < count:
        kind = draw.random()
        if kind < 0.75:
            parts = [draw.choice(WORDS) + draw.choice(BLANKS) for _ in range(draw.randint(1, 9))]
        elif kind < 0.9:
            parts = [draw.choice(WORDS + BLANKS + ODD + list("abcXYZ019'<>|_")) for _ in range(draw.randint(1, 12))]
        else:
            parts = [chr(code) for code in (draw.choice([draw.randrange(0x20, 0x250), draw.randrange(0x3000),
                                                         draw.randrange(0xD800), draw.randrange(0xE000, 0x110000)])
                                            for _ in range(draw.randint(1, 12)))]
        strings.append("".join(parts))
    return strings


def training_text():
    files = sorted((REPO / "src").rglob("*.h"))[:60] + [REPO / "README.md"]
    text = [path.read_text() for path in files if path.exists()]
    draw = random.Random(1)
    text += [" ".join(draw.choice(WORDS) for _ in range(12)) for _ in range(600)]
    return text


def special(content, **flags):
    return AddedToken(content, special=True, normalized=False, **flags)


def flagged_tokens():
    """One token of every flag."""
    return [AddedToken("<mask>", lstrip=True, rstrip=False, normalized=False, special=True),
            AddedToken("word", single_word=True, normalized=True),
            AddedToken("<pad>", rstrip=True, normalized=False),
            AddedToken("<|end|>", normalized=True),
            AddedToken("<|endoftext|>", normalized=False, special=True)]


def train(tokenizer, vocab, specials, alphabet, **options):
    trainer = trainers.BpeTrainer(vocab_size=vocab, special_tokens=specials, initial_alphabet=alphabet,
                                  show_progress=False, limit_alphabet=options.pop("limit_alphabet", 1000), **options)
    tokenizer.train_from_iterator(training_text(), trainer)
    return tokenizer


def without_byte_tokens(tokenizer):
    """Bytes are tokens of the model alone: not looked for in the text."""
    content = json.loads(tokenizer.to_str())
    content["added_tokens"] = content["added_tokens"][:3]
    return Tokenizer.from_str(json.dumps(content))


BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())


def gpt2():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    return train(t, 900, ["<|endoftext|>"], BYTES)


def gpt2_prefix():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                               pre_tokenizers.ByteLevel(add_prefix_space=True)])
    t.decoder = decoders.ByteLevel()
    train(t, 500, ["<s>", "</s>"], BYTES)
    t.add_tokens(flagged_tokens())
    return t


def split_bytes(pattern, ignore_merges, behavior="isolated", invert=False):
    t = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), behavior, invert),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    return t


def llama3():
    t = train(split_bytes(LLAMA3, True), 900, [], BYTES)
    # Words whose merges do not lead to them: ignore_merges alone finds them.
    content = json.loads(t.to_str())
    for word in ["Ġquite", "wholly"]:
        content["model"]["vocab"][word] = len(content["model"]["vocab"])
    t = Tokenizer.from_str(json.dumps(content))
    t.add_special_tokens([special("<s>"), special("</s>")])
    t.add_tokens(flagged_tokens())
    bos = t.token_to_id("<s>")
    t.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", bos)])])
    return t


def cased():
    t = train(split_bytes(CASED, False, "removed", True), 700, [], BYTES)
    t.add_special_tokens([special("<|endoftext|>")])
    return t


def characters(fuse_unk=True, byte_fallback=True):
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=fuse_unk, byte_fallback=byte_fallback))
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                   decoders.Strip(" ", 1, 0)])
    return t


def fallback_vocab():
    return ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % byte for byte in range(256)]


def llama2():
    # The trainer wants words: trained with blanks and newlines as boundaries, used without.
    t = characters()
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split("\n", "isolated"), pre_tokenizers.Metaspace()])
    train(t, 1200, fallback_vocab(), ["▁"], limit_alphabet=150)
    t.pre_tokenizer = None
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t = without_byte_tokens(t)
    t.add_tokens(flagged_tokens())
    t.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A $B",
                                                     special_tokens=[("<s>", 1), ("</s>", 2)])
    return t


def gemma():
    t = characters(fuse_unk=False)
    t.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    t.normalizer = normalizers.Replace(" ", "▁")
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    # Learns pieces of several blanks and pieces that end in one.
    train(t, 900, fallback_vocab(), ["▁"], limit_alphabet=120, max_token_length=12)
    return without_byte_tokens(t)


def metaspace(scheme, split, **model):
    t = characters(**model)
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=split)
    t.decoder = decoders.Metaspace(prepend_scheme=scheme, split=split)
    specials = fallback_vocab() if model.get("byte_fallback", True) else ["<unk>", "<s>", "</s>"]
    train(t, 600, specials, ["▁"], limit_alphabet=100)
    t = without_byte_tokens(t)
    t.add_tokens(flagged_tokens())
    return t


def split_behaviors():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r"\p{N}"), "contiguous"), pre_tokenizers.Split("a", "merged_with_next"),
        pre_tokenizers.Split(Regex(r"\s"), "merged_with_previous"), pre_tokenizers.Split(Regex(r"[.,;]+"), "removed"),
        pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True)])
    t.decoder = decoders.ByteLevel()
    return train(t, 420, ["<s>"], BYTES)


MADE = {"gpt2": gpt2, "gpt2_prefix": gpt2_prefix, "llama3": llama3, "cased": cased, "llama2": llama2, "gemma": gemma,
        "metaspace_first": lambda: metaspace("first", False), "metaspace_always": lambda: metaspace("always", True),
        "metaspace_never_unk": lambda: metaspace("never", False, fuse_unk=True, byte_fallback=False),
        "always_unk": lambda: metaspace("always", False, fuse_unk=False, byte_fallback=False),
        "split_behaviors": split_behaviors}


def old_style(content):
    """Merges as "a b", as older files have them."""
    content["model"]["merges"] = [" ".join(merge) for merge in content["model"]["merges"]]
    return content


def make(count):
    FOLDER.mkdir(parents=True, exist_ok=True)
    strings = odd_strings(7, count)
    (FOLDER / "strings.json").write_text(json.dumps(strings) + "\n")
    for number, (name, build) in enumerate(MADE.items()):
        content = json.loads(build().to_str())
        if number % 2 == 0:
            content = old_style(content)
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n"
        (FOLDER / f"{name}.tokenizer.json").write_text(text)
        tokenizer = Tokenizer.from_str(text)
        encoded = [tokenizer.encode(string, add_special_tokens=False).ids for string in strings]
        (FOLDER / f"{name}.ids.json").write_text(json.dumps(encoded, separators=(",", ":")) + "\n")
        print(f"{name}: {len(text)} bytes, {tokenizer.get_vocab_size()} tokens, {sum(map(len, encoded))} ids")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strings", type=int, default=400)
    args = parser.parse_args()
    make(args.strings)


if __name__ == "__main__":
    main()
