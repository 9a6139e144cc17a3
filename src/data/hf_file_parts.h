#pragma once

#include "lckv/data/hf_tokenizer_file.h"
#include "lckv/data/json_place.h"

// Included by the .cpp files that read a tokenizer.json alone. All throw DataError naming the
// place.

namespace lckv::data {

/// `root.normalizer` into file.normalizer.
void read_hf_normalizer(const JsonPlace& root, HfTokenizerFile& file);

/// `root.pre_tokenizer` into file.splits, metaspace and bytes.
void read_hf_pre_tokenizer(const JsonPlace& root, HfTokenizerFile& file);

/// `root.decoder` into file.decoder. After the pre-tokenizer, which it must fit.
void read_hf_decoder(const JsonPlace& root, HfTokenizerFile& file);

/// `root.model` into file.bpe and file.ids. After the pre-tokenizer, which tells whether tokens are
/// bytes.
void read_hf_model(const JsonPlace& root, HfTokenizerFile& file);

/// `root.added_tokens` into file.added and file.ids. After the model.
void read_hf_added_tokens(const JsonPlace& root, HfTokenizerFile& file);

/// What `root.post_processor` puts around a text, into file.document. After the added tokens.
void read_hf_post_processor(const JsonPlace& root, HfTokenizerFile& file);

}  // namespace lckv::data
