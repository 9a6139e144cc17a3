#pragma once

#include <string>
#include <vector>

namespace lckv::data {

struct LibraryVersion {
  std::string library, version;
};

/// What reads and writes data and tokenizers: HDF5, SentencePiece, zlib, Zstandard, OpenSSL, PCRE2;
/// as they are on this machine, SentencePiece (which does not tell) as it was when lckv was built.
std::vector<LibraryVersion> library_versions();

}  // namespace lckv::data
